//! A user agent on tokio: receives, acknowledges, and goes on where it was when it is started again.

use std::path::PathBuf;

use examples::{Result, arguments, keep, tell, told_to_stop, user_agent};
use push_proto::user_agent::Tag;

fn main() -> Result<()> {
    let [ca, service, file] = arguments(["CA", "SERVICE", "STATE"])?;
    let file = PathBuf::from(file);
    let (options, state) = user_agent(&ca, &service, &file)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let agent = push_tokio::user_agent(options, state, keep(file))?;
        // The one of the last run, or a new one.
        let subscription = match agent.subscriptions().await.pop() {
            Some((_, subscription)) => subscription,
            None => agent.subscribe(Tag(1), None).await?,
        };
        tell(&subscription.to_json());
        let receive = async {
            while let Some(message) = agent.next().await {
                tell(&String::from_utf8_lossy(message.payload().unwrap_or_default()));
                // Not before it was dealt with: what was not acknowledged comes again.
                message.acknowledge();
            }
        };
        tokio::select! {
            () = told_to_stop() => {}
            () = receive => {}
        }
        // Acknowledges what is owed, or keeps that for the next time.
        agent.close().await;
        Ok(())
    })
}
