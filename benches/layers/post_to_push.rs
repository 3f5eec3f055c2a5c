//! `cargo bench --bench post_to_push`

use criterion::{Criterion, criterion_group, criterion_main};

fn bench(criterion: &mut Criterion) {
    push_benches::compare(criterion, push_benches::post_to_push::CONTESTS);
}

criterion_group!(benches, bench);
criterion_main!(benches);
