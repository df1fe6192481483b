//! How many correspondents know of a move.

use super::{Event, Node, Occasion};

/// What correspondents are being told, from one body of Locator Updates on.
#[derive(Debug)]
pub(super) struct Campaign {
    occasion: Occasion,
    body: u64,
    correspondents: usize,
    acknowledged: usize,
}

impl Node {
    /// Counts from now on who acknowledges what was just announced.
    pub(super) fn begin_campaign(&mut self, occasion: Occasion) {
        self.campaign = Some(Campaign {
            occasion,
            body: self.updates.awaited(),
            correspondents: self.proved_correspondents(),
            acknowledged: 0,
        });
        self.report_campaign();
    }

    /// How many correspondents are told of changes of this host's Locators.
    pub fn proved_correspondents(&self) -> usize {
        let all = self.table.iter();
        all.filter(|(_, entry)| entry.state.is_proved()).count()
    }

    /// A correspondent that knew the body with the first number knows the second one now.
    pub(super) fn count_acknowledgement(&mut self, known: u64, now_known: u64) {
        let Some(campaign) = &mut self.campaign else {
            return;
        };
        if known >= campaign.body || now_known < campaign.body {
            return;
        }
        campaign.acknowledged += 1;
        // Sessions may have begun since.
        campaign.correspondents = campaign.correspondents.max(campaign.acknowledged);
        if campaign.acknowledged == 1 || campaign.acknowledged == campaign.correspondents {
            self.report_campaign();
        }
    }

    fn report_campaign(&mut self) {
        if let Some(campaign) = &self.campaign {
            self.outputs.events.push_back(Event::Told {
                occasion: campaign.occasion,
                correspondents: campaign.correspondents,
                acknowledged: campaign.acknowledged,
            });
        }
    }
}
