//! Does what the agent asks for.

use ilnp_core::id::Nid;
use ilnp_core::relocation::{
    Answer, Empty, Fence, FromGuest, GuestHello, Hello, Refused, Request, Resumed, ToGuest,
};

use super::port::Port;
use crate::clone::{Custodian, Evidence};

/// Listens to the port, one request after the other.
#[derive(Debug)]
pub(super) struct Service {
    nid: Nid,
    custodian: Custodian,
    port: Port,
}

impl Service {
    pub(super) const fn new(nid: Nid, custodian: Custodian, port: Port) -> Self {
        Self {
            nid,
            custodian,
            port,
        }
    }

    /// Works for as long as the future is polled.
    pub(super) async fn run(mut self) {
        loop {
            let line = self.port.next().await;
            let (id, answer) = match ToGuest::parse(&line) {
                Ok(ToGuest { id, request, .. }) => (id, self.answer(request).await),
                Err(unreadable) => match unreadable.id {
                    Some(id) => (id, Err(unreadable.reason)),
                    None => {
                        tracing::debug!(%unreadable, "a line of the relocation port that nobody can be told about");
                        continue;
                    }
                },
            };
            let answer = answer.unwrap_or_else(|reason| Answer::Error(Refused { reason }));
            self.port.send(&FromGuest::Answer { id, answer });
        }
    }

    /// The error is a text for people.
    async fn answer(&self, request: Request) -> Result<Answer, String> {
        tracing::debug!(?request, "the hypervisor's agent asks");
        match request {
            Request::Hello(hello) => self.hello(hello).await,
            Request::Fence(fence) => self.fence(fence).await,
            Request::Resumed(resumed) => self.resumed(resumed).await,
            Request::Prepare(_) | Request::Switch(_) | Request::Cancel(_) => {
                Err("this daemon is told of no relocation yet".to_owned())
            }
        }
    }

    async fn hello(&self, hello: Hello) -> Result<Answer, String> {
        self.custodian.run(hello.epoch, hello.instance).await?;
        Ok(Answer::Hello(GuestHello {
            nid: self.nid,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }))
    }

    async fn resumed(&self, resumed: Resumed) -> Result<Answer, String> {
        self.custodian.run(resumed.epoch, resumed.instance).await?;
        Ok(Answer::Done(Empty {}))
    }

    async fn fence(&self, fence: Fence) -> Result<Answer, String> {
        let Fence { epoch, reason } = fence;
        self.custodian
            .weigh(Evidence::Order { epoch, reason })
            .await?;
        Ok(Answer::Done(Empty {}))
    }
}
