//! Looks up correspondents that cannot be reached where they were (RFC 6740 §6.2).

use std::collections::HashSet;

use ilnp_dns::resolve::Resolver;
use ilnp_dns::stub::Correspondents as _;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::learner::Learner;
use super::text::name_of;

/// How many names are looked up at a time.
const AT_A_TIME: usize = 32;

/// Looks up the names that come in, past all caches, and tells the node what they say.
pub(super) async fn look_up(
    mut names: mpsc::Receiver<String>,
    resolver: Resolver,
    learner: Learner,
) {
    let mut under_way = HashSet::new();
    let mut look_ups = JoinSet::new();
    loop {
        tokio::select! {
            Some(done) = look_ups.join_next() => {
                if let Ok(name) = done {
                    under_way.remove(&name);
                }
            }
            name = names.recv(), if look_ups.len() < AT_A_TIME => {
                let Some(name) = name else {
                    return;
                };
                if under_way.insert(name.clone()) {
                    look_ups.spawn(one(name, resolver.clone(), learner.clone()));
                }
            }
        }
    }
}

async fn one(text: String, resolver: Resolver, learner: Learner) -> String {
    let Some(name) = name_of(&text) else {
        return text;
    };
    match resolver.resolve_afresh(&name).await.found() {
        Some(found) => {
            tracing::debug!(
                name = text,
                ?found,
                "looked up a correspondent that is lost"
            );
            learner.learn(found).await;
        }
        None => tracing::debug!(name = text, "nothing found of a correspondent that is lost"),
    }
    text
}
