//! Orders: whole, in order, bounded, and delivered before a connection closes.

use std::time::Duration;

use ilnp_relocate::channel::{ChannelError, LARGEST_ORDER};
use serde::{Deserialize, Serialize};

use super::world::{World, soon};

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Order {
    Prepare { guest: String, number: usize },
    Abort,
}

fn prepare(number: usize, length: usize) -> Order {
    Order::Prepare {
        guest: "v".repeat(length),
        number,
    }
}

#[tokio::test]
async fn orders_arrive_whole_and_in_order_however_slowly_they_are_taken() {
    soon(async {
        let world = World::new(&["a", "b"]);
        let (ours, theirs, _listener) = world.pair().await;
        let sender = ours.clone();
        let sending = tokio::spawn(async move {
            for number in 0..200 {
                sender.send(&prepare(number, 20_000)).await.unwrap();
            }
        });
        // Longer than a silent link is believed in: who is busy is not dead.
        tokio::time::sleep(Duration::from_secs(8)).await;
        assert!(!sending.is_finished(), "4 MB are waiting somewhere");
        for number in 0..200 {
            assert_eq!(
                theirs.receive::<Order>().await.unwrap(),
                prepare(number, 20_000)
            );
        }
        sending.await.unwrap();
        theirs.send(&Order::Abort).await.unwrap();
        assert_eq!(ours.receive::<Order>().await.unwrap(), Order::Abort);
    })
    .await;
}

#[tokio::test]
async fn what_was_ordered_before_a_connection_closes_arrives() {
    soon(async {
        let world = World::new(&["a", "b"]);
        for by_drop in [false, true] {
            let (ours, theirs, _listener) = world.pair().await;
            for number in 0..10 {
                ours.send(&prepare(number, 1_000)).await.unwrap();
            }
            let who = ours.peer().clone();
            let listening = theirs.clone();
            let receiving = tokio::spawn(async move {
                for number in 0..10 {
                    assert_eq!(
                        listening.receive::<Order>().await.unwrap(),
                        prepare(number, 1_000)
                    );
                }
                listening.receive::<Order>().await.unwrap_err()
            });
            if by_drop {
                drop(ours);
            } else {
                ours.close().await;
                let own = ours.receive::<Order>().await.unwrap_err();
                assert_eq!(
                    own.to_string(),
                    ChannelError::Closed(who.clone()).to_string()
                );
                let own = ours.send(&Order::Abort).await.unwrap_err();
                assert_eq!(own.to_string(), ChannelError::Closed(who).to_string());
            }
            let reason = receiving.await.unwrap();
            assert!(matches!(reason, ChannelError::ClosedByPeer(_)), "{reason}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_no_order_stops_none_that_is() {
    soon(async {
        let world = World::new(&["a", "b"]);
        let (ours, theirs, _listener) = world.pair().await;
        let error = ours.send(&prepare(0, LARGEST_ORDER)).await.unwrap_err();
        assert!(matches!(error, ChannelError::TooLarge(_)), "{error}");
        ours.send(&prepare(1, LARGEST_ORDER - 100)).await.unwrap();
        ours.send(&["something", "else"]).await.unwrap();
        ours.send(&Order::Abort).await.unwrap();

        assert_eq!(
            theirs.receive::<Order>().await.unwrap(),
            prepare(1, LARGEST_ORDER - 100)
        );
        let error = theirs.receive::<Order>().await.unwrap_err();
        assert!(matches!(error, ChannelError::Unreadable { .. }), "{error}");
        assert!(
            error
                .to_string()
                .contains("an order of site a cannot be read"),
            "{error}"
        );
        assert_eq!(theirs.receive::<Order>().await.unwrap(), Order::Abort);
    })
    .await;
}
