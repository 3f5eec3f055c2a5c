//! The suite, against every backend.
#![allow(clippy::unwrap_used, reason = "tests")]

mod memory {
    use push_store::SharedMemory;

    push_store::conformance!(|quotas| Box::new(SharedMemory::new(quotas)));
}

mod simulated_disk {
    use push_store::{Embedded, engine::SimulatedDisk};

    push_store::conformance!(|quotas| Box::new(Embedded::over(SimulatedDisk::new(), quotas).unwrap()));
}

mod fjall {
    use push_store::{Embedded, Quotas, Store};

    /// A store whose folder goes with it.
    struct Temporary(
        Embedded,
        #[expect(dead_code, reason = "removes the folder when dropped")] tempfile::TempDir,
    );

    impl Store for Temporary {
        fn attach(&self, sink: std::sync::Arc<dyn push_store::Completions>) -> push_store::Client {
            self.0.attach(sink)
        }

        fn submit(&self, from: push_store::Client, command: push_proto::store::Command) {
            self.0.submit(from, command);
        }

        fn probe(&self, answer: push_store::ProbeAnswer) {
            self.0.probe(answer);
        }

        fn close(&self) {
            self.0.close();
        }
    }

    fn open(quotas: Quotas) -> Box<dyn Store> {
        let folder = tempfile::tempdir().unwrap();
        Box::new(Temporary(Embedded::open(folder.path(), quotas).unwrap(), folder))
    }

    push_store::conformance!(open);
}
