//! Sends what is told to channels: takes deliveries that are due, hands their messages to the egress process, and records what
//! became of them.

use crate::channel::answer::{Meaning, Verdict, verdict};
use crate::channel::{Channel, Letter, pause};
use crate::clock::{Clock, Time, after};
use crate::keyring::Keyring;
use crate::metrics::{Delivered, Metrics};
use crate::notice::{Notice, NoticeKind};
use crate::run::new_id;
use crate::signals::Signals;
use crate::store::deliveries::claim::{Claim, Claimed};
use crate::store::deliveries::outcome::{Ended, Outcome};
use crate::store::{Store, StoreError};
use cronbox_runtime::network::{Ceiling, Networks};
use cronbox_runtime::outbound::{Outbound, OutboundAnswer, OutboundFailure};
use futures_util::future::BoxFuture;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The option with which addresses that are not public are opened for channels.
pub const NETWORK_OPTION: &str = "--channel-network";
/// The time for one message: the connection, the answer, and all between.
const WITHIN: Duration = Duration::from_secs(20);
/// How long an attempt can take before another node takes the delivery: longer than a message and its record.
const LEASE: Duration = Duration::from_secs(60);
/// Most messages of one channel that this node sends at one time: a slow one does not take the room of the others.
const MOST_OF_CHANNEL: usize = 16;
/// Most messages of this node that are on their way at one time: fewer than the egress process takes.
const MOST: usize = 48;
/// The longest time without a look: another node may have died.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The shortest time without one.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
/// The time before another try when the database is away.
const RETRY: Duration = Duration::from_secs(1);
/// The time for messages that are on their way when the node goes down.
const SETTLE_WITHIN: Duration = Duration::from_secs(5);

/// Sends a message, and waits for the answer.
pub type Sender = Box<dyn Fn(Outbound) -> BoxFuture<'static, Result<OutboundAnswer, OutboundFailure>> + Send + Sync>;

/// What the operator decides about messages.
#[derive(Clone, Debug)]
pub struct DeliveryRules {
    /// Most messages of a channel within an hour.
    pub rate: u64,
    /// Where the page is, for links.
    pub public_url: Option<String>,
    /// The hosts that can be reached at all.
    pub ceiling: Ceiling,
    /// Addresses that are not public and can be reached.
    pub networks: Networks,
}

/// Sends what is told to channels.
pub struct Deliverer {
    /// The database.
    pub store: Store,
    /// The keys of what channels are set to.
    pub keyring: Arc<Keyring>,
    /// What time it is.
    pub clock: Clock,
    /// The signals of this node.
    pub signals: Arc<Signals>,
    /// Where messages are counted.
    pub metrics: Arc<Metrics>,
    /// The node's id.
    pub node: String,
    /// What the operator decides.
    pub rules: DeliveryRules,
    /// Sends messages.
    pub send: Sender,
    /// How many messages of each channel are on their way.
    pub under_way: Mutex<HashMap<String, usize>>,
}

impl std::fmt::Debug for Deliverer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deliverer").field("rules", &self.rules).finish_non_exhaustive()
    }
}

impl Deliverer {
    /// Sends until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        if !self.store.is_shared()
            && let Err(error) = self.store.release_deliveries(self.clock.now()).await
        {
            tracing::warn!(%error, "deliveries of the last start cannot be taken back; they are in a minute");
        }
        let mut sending = JoinSet::new();
        while !stop.is_cancelled() {
            let wait = match self.take(&mut sending).await {
                Ok(wait) => wait,
                Err(error) => {
                    tracing::warn!(%error, "deliveries cannot be taken; trying again");
                    RETRY
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.signals.deliveries.notified() => {}
                Some(_) = sending.join_next() => {}
                () = tokio::time::sleep(wait) => {}
            }
            while sending.try_join_next().is_some() {}
        }
        let all = async { while sending.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(SETTLE_WITHIN, all).await;
    }

    /// Sends everything that is due now, and waits for it. Until when nothing is to be done.
    ///
    /// # Errors
    /// The database is away.
    pub async fn round(self: &Arc<Self>) -> Result<Option<Time>, StoreError> {
        loop {
            let mut sending = JoinSet::new();
            let next = self.take_due(&mut sending).await?;
            if sending.is_empty() {
                return Ok(next);
            }
            while sending.join_next().await.is_some() {}
        }
    }

    /// Begins to send what is due; the time until the next look.
    async fn take(self: &Arc<Self>, sending: &mut JoinSet<()>) -> Result<Duration, StoreError> {
        let next = self.take_due(sending).await?;
        // With as many as can be under way, the end of one is waited for.
        let next = next.filter(|_| sending.len() < MOST);
        let wait = next.map(|next| (next - self.clock.now()).to_std().unwrap_or_default());
        Ok(wait.unwrap_or(LONGEST_PAUSE).clamp(SHORTEST_PAUSE, LONGEST_PAUSE))
    }

    async fn take_due(self: &Arc<Self>, sending: &mut JoinSet<()>) -> Result<Option<Time>, StoreError> {
        let busy = {
            let under_way = self.lock();
            under_way.iter().filter(|(_, count)| **count >= MOST_OF_CHANNEL).map(|(name, _)| name.clone()).collect()
        };
        let token = uuid::Uuid::new_v4().to_string();
        let claim = Claim {
            node: self.node.clone(),
            token: token.clone(),
            rate: self.rules.rate,
            lease: LEASE,
            busy,
            most: MOST.saturating_sub(sending.len()),
        };
        let claims = self.store.claim_deliveries(claim, self.clock.now()).await?;
        if claims.dead > 0 {
            self.metrics.delivered(Delivered::Dead, claims.dead);
            self.signals.happened.notify_waiters();
        }
        for claimed in claims.claimed {
            *self.lock().entry(claimed.delivery.channel.clone()).or_default() += 1;
            let (deliverer, token) = (self.clone(), token.clone());
            sending.spawn(async move {
                let _place = Place { deliverer: &deliverer, channel: claimed.delivery.channel.clone() };
                deliverer.deliver(claimed, token).await;
            });
        }
        Ok(claims.next_at)
    }

    /// Makes one attempt, and records what became of it.
    async fn deliver(&self, claimed: Claimed, token: String) {
        let Claimed { delivery, channel, quiet_until } = claimed;
        let letter = Letter {
            id: &delivery.id,
            notice: &delivery.notice,
            public_url: self.rules.public_url.as_deref(),
            quiet_until,
            now: self.clock.now(),
        };
        let Verdict { meaning, status, text } = self.attempt(&channel, &letter).await;
        let now = self.clock.now();
        let outcome = match meaning {
            Meaning::Arrived => Outcome::Sent,
            Meaning::Gone => Outcome::Off,
            Meaning::NotNow(asked) => {
                let wait = pause(delivery.attempts, &delivery.id).max(asked.unwrap_or_default());
                Outcome::Again(after(now, wait))
            }
        };
        let ended = Ended { id: delivery.id.clone(), token, outcome, status, answer: text.clone() };
        match self.record(ended, now).await {
            Some("sent") => self.metrics.delivered(Delivered::Sent, 1),
            Some("dead") => {
                tracing::warn!(delivery = %delivery.id, channel = %channel.name, answer = text, "a message was given up");
                self.metrics.delivered(Delivered::Dead, 1);
                self.signals.happened.notify_waiters();
            }
            Some(_) => {
                let (attempts, answer) = (delivery.attempts, text);
                tracing::info!(delivery = %delivery.id, channel = %channel.name, attempts, answer, "a message did not arrive");
                self.metrics.delivered(Delivered::Failed, 1);
            }
            None => {}
        }
    }

    /// Records the end of an attempt, for as long as the attempt is this node's.
    async fn record(&self, ended: Ended, now: Time) -> Option<&'static str> {
        let until = tokio::time::Instant::now() + LEASE - WITHIN - WITHIN;
        loop {
            match self.store.end_delivery(ended.clone(), now).await {
                Ok(state) => return state,
                Err(error) if tokio::time::Instant::now() < until => {
                    tracing::warn!(%error, delivery = %ended.id, "what became of a message cannot be recorded; trying again");
                    tokio::time::sleep(RETRY).await;
                }
                Err(error) => {
                    tracing::error!(%error, delivery = %ended.id, "what became of a message is not recorded: it is sent again");
                    return None;
                }
            }
        }
    }

    /// Sends a message to a channel, and reads the answer.
    async fn attempt(&self, channel: &Channel, letter: &Letter<'_>) -> Verdict {
        let target = self.keyring.keys().map_err(Into::into).and_then(|keys| keys.open_channel(channel));
        let target = match target {
            Ok(target) => target,
            Err(error) => return Verdict { meaning: Meaning::NotNow(None), status: None, text: error.to_string() },
        };
        let message = target.message(letter);
        let outbound = Outbound {
            host: message.host,
            port: message.port,
            ceiling: self.rules.ceiling.clone(),
            networks: self.rules.networks.clone(),
            option: NETWORK_OPTION.to_owned(),
            within: WITHIN,
            message: message.content,
        };
        let answer = (self.send)(outbound).await;
        verdict(target.kind(), &answer, self.clock.now())
    }

    /// Sends a test to a channel now, also to one that is off. It is recorded nowhere and counts for no rate.
    pub async fn test(&self, channel: &Channel) -> Verdict {
        let now = self.clock.now();
        let notice = Notice::new(NoticeKind::Test, now.timestamp_millis());
        let public_url = self.rules.public_url.as_deref();
        let letter = Letter { id: &new_id(now), notice: &notice, public_url, quiet_until: None, now };
        self.attempt(channel, &letter).await
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of a message that is on its way.
struct Place<'d> {
    deliverer: &'d Deliverer,
    channel: String,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut under_way = self.deliverer.lock();
        if let Some(count) = under_way.get_mut(&self.channel) {
            *count -= 1;
            if *count == 0 {
                under_way.remove(&self.channel);
            }
        }
    }
}
