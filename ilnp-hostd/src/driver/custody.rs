//! Whether the identifier is used: evidence in, everything that follows from it out.

use ilnp_core::node::Input;
use ilnp_service::explain::explain;
use ring::digest::{Context, SHA256};
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::oneshot;

use super::live::Driver;
use crate::clock;
use crate::clone::{Durable, Evidence, GuardError, Question, Shown, Step, Weighed};
use crate::{clone, identity};

impl Driver {
    /// Answers a question. Returns whether the daemon is to end.
    pub(super) fn custody(&mut self, question: Question) -> bool {
        // Whoever asked may have gone; an answer that nobody takes is no error.
        match question {
            Question::Weigh(evidence, answer) => {
                let _ = answer.send(self.weigh(evidence));
                false
            }
            Question::Renounce(answer) => {
                let renounced = self.renounce();
                let ends = renounced.is_ok();
                let _ = answer.send(renounced);
                ends
            }
        }
    }

    fn weigh(&mut self, evidence: Evidence) -> Weighed {
        let is_run = matches!(evidence, Evidence::Run { .. });
        let before = self.guard.custody().clone();
        let mut custody = before.clone();
        let step = custody.weigh(evidence).map_err(|why| why.to_string())?;
        self.guard.set(custody);
        let mut durable = Durable::now();
        match step {
            Step::Nothing => {}
            Step::Remember => self.save()?,
            Step::Fence => {
                self.fence();
                self.save()?;
            }
            // It uses the identifier already, and goes on doing so whatever the disk says: a host that
            // has just arrived is not kept waiting for it. The agent is.
            Step::Grant if before.fenced().is_none() => {
                let seed = self.fresh_seed().inspect_err(|_| self.guard.set(before))?;
                durable = self.save_aside();
                self.use_identifier(seed);
            }
            Step::Grant => {
                let fresh = self.fresh_seed();
                let fresh = fresh.and_then(|seed| self.save().map(|()| seed));
                // What could not be made durable was not granted.
                let seed = fresh.inspect_err(|_| self.guard.set(before))?;
                self.host.fence(false);
                tracing::info!("not fenced any more: the identifier is used again");
                self.use_identifier(seed);
            }
        }
        self.show();
        match self.guard.custody().fenced() {
            Some(why) if is_run => Err(format!("this copy of the guest is fenced: {why}")),
            _ => Ok(durable),
        }
    }

    /// Stops using the identifier, in the order of what does harm.
    pub(super) fn fence(&mut self) {
        self.engine
            .handle(clock::now(), Input::Fence, &mut self.host);
        self.host.fence(true);
        if let Some(why) = self.guard.custody().fenced() {
            let (kind, remedy) = (why.kind(), why.remedy());
            tracing::error!(
                kind,
                remedy,
                "fenced, the identifier is not used any more: {why}"
            );
        }
        self.show();
    }

    /// Lets others see what is known.
    pub(super) fn show(&self) {
        let custody = self.guard.custody();
        self.questions.shown.send_replace(Shown {
            fenced: custody.fenced().cloned(),
            tenure: custody.tenure(),
        });
    }

    fn use_identifier(&mut self, seed: [u8; 32]) {
        let release = Input::Release { seed };
        self.engine.handle(clock::now(), release, &mut self.host);
    }

    /// Randomness that no copy of this host shares. Kernels that know of no Generation ID draw the
    /// same random bits in two copies for a while, so what tells these apart goes in as well.
    fn fresh_seed(&self) -> Result<[u8; 32], String> {
        let mut random = [0; 32];
        SystemRandom::new()
            .fill(&mut random)
            .map_err(|_| "the kernel gives no random bits".to_owned())?;
        let custody =
            serde_json::to_vec(self.guard.custody()).map_err(|error| error.to_string())?;
        let mut context = Context::new(&SHA256);
        context.update(&random);
        context.update(&custody);
        <[u8; 32]>::try_from(context.finish().as_ref())
            .map_err(|_| "a digest of 32 octets has another length".to_owned())
    }

    fn save(&mut self) -> Result<(), String> {
        saved(self.guard.save())
    }

    /// Saves while everything else goes on.
    fn save_aside(&mut self) -> Durable {
        let unsaved = self.guard.unsaved();
        let (tell, told) = oneshot::channel();
        tokio::task::spawn_blocking(move || {
            // Whoever asked may have gone.
            let _ = tell.send(saved(unsaved.save()));
        });
        Durable::soon(told)
    }

    fn renounce(&self) -> Result<(), String> {
        if self.config.nid.is_some() {
            return Err(
                "the identifier is set in the configuration: change `nid` there, and restart"
                    .to_owned(),
            );
        }
        let directory = &self.config.state_dir;
        identity::forget(directory).map_err(|error| explain(&error.into()))?;
        clone::forget(directory).map_err(|error| explain(&error.into()))?;
        tracing::warn!("the identifier is given up; the next start makes a new one");
        Ok(())
    }
}

fn saved(result: Result<(), GuardError>) -> Result<(), String> {
    result.map_err(|error| {
        let error = explain(&error.into());
        tracing::error!(error, "what is known of copies of this host may be lost");
        error
    })
}
