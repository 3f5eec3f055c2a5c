//! `cargo bench --bench records`

use criterion::{Criterion, criterion_group, criterion_main};

fn bench(criterion: &mut Criterion) {
    push_benches::compare(criterion, push_benches::records::CONTESTS);
}

criterion_group!(benches, bench);
criterion_main!(benches);
