//! `cargo bench --bench send`

use criterion::{Criterion, criterion_group};

fn bench(criterion: &mut Criterion) {
    push_benches::compare(criterion, push_benches::send::CONTESTS);
}

criterion_group!(benches, bench);

fn main() {
    push_benches::send::serve_if_asked();
    benches();
    Criterion::default().configure_from_args().final_summary();
}
