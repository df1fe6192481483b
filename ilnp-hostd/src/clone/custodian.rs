//! The way to the task that decides whether the identifier is used.

use std::time::Duration;

use ilnp_core::relocation::Instance;
use tokio::sync::{mpsc, oneshot, watch};

use super::{Evidence, Fenced, Tenure};
use crate::kernel::Generation;

/// How much waits to be decided.
const QUEUE: usize = 8;
/// How often it is looked whether the Generation ID changed: nothing tells of it on every kernel.
const LOOK: Duration = Duration::from_secs(1);

/// What is asked of that task.
#[derive(Debug)]
pub enum Question {
    /// Weigh this. The answer is an error, for people, when this copy is fenced in spite of a run
    /// that it was told of, or when nothing changed.
    Weigh(Evidence, oneshot::Sender<Weighed>),
    /// Forget the identifier, and end: the next daemon takes a new one.
    Renounce(oneshot::Sender<Result<(), String>>),
}

/// What came of a piece of evidence: what was decided is in force.
pub type Weighed = Result<Durable, String>;

/// A decision that is in force, and outlasts a crash soon.
#[derive(Debug)]
pub struct Durable(Option<oneshot::Receiver<Result<(), String>>>);

impl Durable {
    /// It does already.
    pub const fn now() -> Self {
        Self(None)
    }

    /// It will when this says so.
    pub const fn soon(saved: oneshot::Receiver<Result<(), String>>) -> Self {
        Self(Some(saved))
    }

    /// Waits until it does.
    ///
    /// # Errors
    /// Why it does not, for people.
    pub async fn wait(self) -> Result<(), String> {
        match self.0 {
            None => Ok(()),
            Some(saved) => saved.await.map_err(|_| stopping())?,
        }
    }
}

/// Brings evidence to the task that decides. Clones share everything.
#[derive(Clone, Debug)]
pub struct Custodian {
    questions: mpsc::Sender<Question>,
    shown: watch::Receiver<Shown>,
}

/// What whoever looks may see.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// Why the identifier must not be used.
    pub fenced: Option<Fenced>,
    /// Who has it.
    pub tenure: Option<Tenure>,
}

/// The other end.
#[derive(Debug)]
pub struct Questions {
    /// What is asked.
    pub incoming: mpsc::Receiver<Question>,
    /// For whoever looks.
    pub shown: watch::Sender<Shown>,
}

impl Custodian {
    /// A way to the task that holds the other end.
    pub fn new() -> (Self, Questions) {
        let (questions, incoming) = mpsc::channel(QUEUE);
        let (show, shown) = watch::channel(Shown::default());
        let questions_end = Questions {
            incoming,
            shown: show,
        };
        (Self { questions, shown }, questions_end)
    }

    /// Why the identifier must not be used; `None` when it may.
    pub fn fenced(&self) -> Option<Fenced> {
        self.shown.borrow().fenced.clone()
    }

    /// The newest epoch that this copy was told of; `None` when no agent ever spoke.
    pub fn epoch(&self) -> Option<u64> {
        self.shown.borrow().tenure.map(|tenure| tenure.epoch)
    }

    /// Brings a piece of evidence, and waits until what follows from it is done and durable.
    ///
    /// # Errors
    /// Why this copy is fenced although the agent runs it, or why nothing changed, for people.
    pub async fn weigh(&self, evidence: Evidence) -> Result<(), String> {
        self.decide(evidence).await?.wait().await
    }

    /// Brings what the agent says of the run of the guest that this is, and waits until what follows
    /// from it is done. The Generation ID is looked at in the same moment: what the agent grants, it
    /// grants to the machine as it is now.
    ///
    /// # Errors
    /// As for [`weigh`](Self::weigh).
    pub async fn run(&self, epoch: u64, instance: Instance) -> Weighed {
        self.decide(Evidence::Run {
            epoch,
            instance,
            generation: Generation::of_this_machine(),
        })
        .await
    }

    async fn decide(&self, evidence: Evidence) -> Weighed {
        self.ask(|answer| Question::Weigh(evidence, answer)).await
    }

    /// Gives the identifier up for good: the daemon ends, and takes a new one at its next start.
    ///
    /// # Errors
    /// Why it cannot, for people.
    pub async fn renounce(&self) -> Result<(), String> {
        self.ask(Question::Renounce).await
    }

    /// Watches the Generation ID for as long as the future is polled.
    pub async fn watch_generation(self, mut known: Option<Generation>) {
        loop {
            tokio::time::sleep(LOOK).await;
            let now = Generation::of_this_machine();
            if let Some(generation) = now.filter(|now| Some(*now) != known)
                && self.weigh(Evidence::Generation(generation)).await.is_ok()
            {
                known = Some(generation);
            }
        }
    }

    async fn ask<T>(
        &self,
        question: impl FnOnce(oneshot::Sender<Result<T, String>>) -> Question,
    ) -> Result<T, String> {
        let (answer, answered) = oneshot::channel();
        let asked = self.questions.send(question(answer)).await;
        asked.map_err(|_| stopping())?;
        answered.await.map_err(|_| stopping())?
    }
}

fn stopping() -> String {
    "ilnp-hostd is stopping".to_owned()
}
