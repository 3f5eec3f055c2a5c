//! What the service stores in. Either backend says at once what is durable; the host decides when the service hears it.

use push_proto::store::{Availability, Command, Completion};
use push_store::{
    Client, Memory, Quotas,
    embedded::Writer,
    engine::{Engine as _, Mishap, SimulatedDisk},
};

/// So few entries that a queue is full now and then, and gives up what matters less (`8030-7.2-7`).
fn quotas() -> Quotas {
    Quotas { entries: 6, ..Quotas::default() }
}

pub(crate) enum Backend {
    Memory(Box<Memory>, Client),
    Embedded { writer: Box<Writer<SimulatedDisk>>, disk: SimulatedDisk, client: Client },
}

impl Backend {
    pub(crate) fn memory() -> Self {
        let mut memory = Memory::new(quotas());
        let client = memory.attach();
        Self::Memory(Box::new(memory), client)
    }

    pub(crate) fn embedded() -> Self {
        let disk = SimulatedDisk::new();
        let mut writer = Writer::open(disk.clone(), quotas()).expect("the disk is empty");
        let client = writer.attach();
        Self::Embedded { writer: Box::new(writer), disk, client }
    }

    /// Carries these out, in one group where the store has groups.
    pub(crate) fn run(&mut self, commands: Vec<Command>) -> Vec<Completion> {
        let mut said = Vec::new();
        match self {
            Self::Memory(memory, client) => {
                let mine = *client;
                for command in commands {
                    memory.run(mine, command, &mut |to, completion| {
                        said.extend((to == mine).then_some(completion));
                    });
                }
            }
            Self::Embedded { writer, client, .. } => {
                let mine = *client;
                for command in commands {
                    writer.stage(mine, command);
                }
                writer.commit(&mut |to, completion| said.extend((to == mine).then_some(completion)));
            }
        }
        said
    }

    /// The store fails: the one in memory now, the one on a disk at its next commit, of which nothing is left.
    pub(crate) fn fail(&mut self) -> Vec<Completion> {
        let mut said = Vec::new();
        match self {
            Self::Memory(memory, client) => {
                let mine = *client;
                memory.set_availability(Availability::Down, &mut |to, completion| {
                    said.extend((to == mine).then_some(completion));
                });
            }
            Self::Embedded { disk, .. } => disk.arrange(Mishap::Torn(20)),
        }
        said
    }

    pub(crate) fn reopen(&mut self) -> Vec<Completion> {
        let mut said = Vec::new();
        match self {
            Self::Memory(memory, client) => {
                let mine = *client;
                if memory.availability() == Availability::Down {
                    memory.set_availability(Availability::Up, &mut |to, completion| {
                        said.extend((to == mine).then_some(completion));
                    });
                }
            }
            Self::Embedded { writer, disk, client } => {
                let mine = *client;
                disk.arrange(None);
                writer
                    .reopen(&mut |to, completion| said.extend((to == mine).then_some(completion)))
                    .expect("the disk is sound again");
            }
        }
        said
    }

    /// Another process opens it.
    pub(crate) fn restart(&mut self) {
        match self {
            Self::Memory(memory, client) => {
                memory.set_availability(Availability::Up, &mut |_, _| {});
                *client = memory.attach();
            }
            Self::Embedded { writer, disk, client } => {
                disk.arrange(None);
                disk.reopen().expect("the disk is sound again");
                **writer = Writer::open(disk.clone(), quotas()).expect("what is durable is sound");
                *client = writer.attach();
            }
        }
    }
}
