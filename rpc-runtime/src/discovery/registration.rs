//! Owns [`Registrations`]: the tasks that keep a server registered, and the two traits of whom it registers with. Knows no registry.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::call::{Throw, roll};
use crate::discovery::{DiscoveryError, Endpoint};
use crate::limits;
use crate::policy::Backoff;

/// Somewhere a server can register: our registry, etcd, or what users have.
#[async_trait]
pub trait Registrar: Send + Sync + 'static {
    /// What it is, for logs: `registry://10.0.0.5:7070`.
    fn name(&self) -> &str;

    /// Registers these services at this endpoint. Entries of the same service and address, of a server before this one, are
    /// taken over.
    async fn register(
        &self,
        services: &[String],
        endpoint: &Endpoint,
    ) -> Result<Box<dyn Lease>, DiscoveryError>;
}

/// A registration that holds as long as it is renewed.
#[async_trait]
pub trait Lease: Send {
    /// How long it holds without being renewed. It is renewed three times as often.
    fn ttl(&self) -> Duration;

    /// Renews it. False if it is gone: then the server registers again.
    async fn renew(&mut self) -> Result<bool, DiscoveryError>;

    /// Takes it back, so that nobody is sent here any more.
    async fn withdraw(self: Box<Self>) -> Result<(), DiscoveryError>;
}

/// A server's registrations, kept until they are withdrawn. Dropped without that, they run out by themselves.
#[derive(Debug)]
pub(crate) struct Registrations {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Registrations {
    /// Registers with all of them, and goes on until it succeeds.
    pub(crate) fn start(registrars: &[Arc<dyn Registrar>], services: &[String], endpoint: &Endpoint) -> Self {
        let stop = watch::Sender::new(false);
        let begin = |registrar: &Arc<dyn Registrar>| {
            let (registrar, services) = (Arc::clone(registrar), services.to_vec());
            tokio::spawn(keep(registrar, services, endpoint.clone(), stop.subscribe()))
        };
        let tasks = registrars.iter().map(begin).collect();
        Self { stop, tasks }
    }

    /// No registrations.
    pub(crate) fn none() -> Self {
        Self { stop: watch::Sender::new(false), tasks: Vec::new() }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Takes all of them back; those that cannot be within so long run out by themselves.
    pub(crate) async fn withdraw(mut self, limit: Duration) {
        self.stop.send_replace(true);
        let mut tasks = std::mem::take(&mut self.tasks);
        if timeout(limit, join_all(&mut tasks)).await.is_err() {
            tracing::warn!(?limit, "a registration could not be taken back in time: it runs out by itself");
        }
        tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Drop for Registrations {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Registers, renews, and registers again when that is lost:
///
/// ```text
///   Registering ──granted──▶ Held ──the registry says that it is gone──▶ Registering
///                             └──told to stop──▶ withdrawn
/// ```
///
/// A renewal that fails is tried again for as long as it fails: whether the lease has run out meanwhile, the registry says.
async fn keep(
    registrar: Arc<dyn Registrar>,
    services: Vec<String>,
    endpoint: Endpoint,
    mut stop: watch::Receiver<bool>,
) {
    let name = registrar.name();
    let mut backoff = Backoff::new(limits::SOURCE_BACKOFF_FIRST, limits::SOURCE_BACKOFF_LAST);
    loop {
        // Not given up when it is time to stop: what may be registered already has to be taken back.
        let registering = timeout(limits::REGISTER, registrar.register(&services, &endpoint));
        let mut lease = match registering.await {
            Ok(Ok(lease)) => lease,
            failed => {
                let error = match failed {
                    Ok(Err(error)) => error,
                    _ => DiscoveryError::new(format!("no answer within {:?}", limits::REGISTER)),
                };
                tracing::warn!(registry = name, %error, "cannot register: trying again");
                tokio::select! {
                    biased;
                    () = stopped(&mut stop) => return,
                    () = sleep(backoff.next(Throw(roll()))) => continue,
                }
            }
        };
        backoff.reset();
        tracing::debug!(registry = name, address = endpoint.address(), "registered");
        if renew(&mut *lease, name, &mut stop).await.is_stopped() {
            if let Err(error) = lease.withdraw().await {
                tracing::warn!(registry = name, %error, "cannot withdraw: the registration runs out by itself");
            }
            return;
        }
        tracing::warn!(registry = name, "the registration is gone: registering again");
    }
}

#[derive(Debug, Eq, PartialEq)]
enum End {
    Stopped,
    Lost,
}

impl End {
    fn is_stopped(&self) -> bool {
        *self == Self::Stopped
    }
}

/// Renews a lease until it is lost, or it is time to stop.
async fn renew(lease: &mut dyn Lease, name: &str, stop: &mut watch::Receiver<bool>) -> End {
    let mut backoff = Backoff::new(limits::SOURCE_BACKOFF_FIRST, limits::SOURCE_BACKOFF_LAST);
    loop {
        let every = lease.ttl() / limits::LEASE_RENEWALS;
        let mut wait = every;
        loop {
            tokio::select! {
                biased;
                () = stopped(stop) => return End::Stopped,
                () = sleep(wait) => {}
            }
            // An answer that takes longer than that is as good as none: the next attempt may have another connection.
            match timeout(every, lease.renew()).await {
                Ok(Ok(true)) => break,
                Ok(Ok(false)) => return End::Lost,
                failed => {
                    let error = failed.ok().and_then(Result::err);
                    let error =
                        error.map_or_else(|| "no answer in time".to_owned(), |error| error.to_string());
                    tracing::warn!(registry = name, error, "cannot renew the registration: trying again");
                    wait = backoff.next(Throw(roll()));
                }
            }
        }
        backoff.reset();
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        // The server is gone without a word; its tasks are about to be aborted.
        pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use parking_lot::Mutex;

    use super::*;

    /// A registrar that answers what it is told to, and writes down what it was asked.
    #[derive(Clone, Default)]
    struct Scripted(Arc<Mutex<Script>>);

    #[derive(Default)]
    struct Script {
        asked: Vec<&'static str>,
        answers: VecDeque<Option<bool>>,
    }

    impl Scripted {
        fn asked(&self, what: &'static str) -> Result<bool, DiscoveryError> {
            let mut script = self.0.lock();
            script.asked.push(what);
            let answer = script.answers.pop_front().unwrap_or(Some(true));
            answer.ok_or_else(|| DiscoveryError::new("away"))
        }
    }

    #[async_trait]
    impl Registrar for Scripted {
        fn name(&self) -> &str {
            "scripted"
        }

        async fn register(&self, _: &[String], _: &Endpoint) -> Result<Box<dyn Lease>, DiscoveryError> {
            self.asked("register").map(|_| Box::new(self.clone()) as Box<dyn Lease>)
        }
    }

    #[async_trait]
    impl Lease for Scripted {
        fn ttl(&self) -> Duration {
            Duration::from_secs(9)
        }

        async fn renew(&mut self) -> Result<bool, DiscoveryError> {
            self.asked("renew")
        }

        async fn withdraw(self: Box<Self>) -> Result<(), DiscoveryError> {
            self.asked("withdraw").map(drop)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_stays_registered_until_it_withdraws() {
        let registrar = Scripted::default();
        // It cannot register, then it can; a renewal fails, the next is good; then the lease is gone.
        registrar.0.lock().answers.extend([None, Some(true), None, Some(true), Some(false)]);
        let endpoint = Endpoint::new("h:1").unwrap();
        let all: [Arc<dyn Registrar>; 1] = [Arc::new(registrar.clone())];
        let registrations = Registrations::start(&all, &["A".to_owned()], &endpoint);
        sleep(Duration::from_secs(11)).await;
        registrations.withdraw(Duration::from_secs(1)).await;
        let asked = std::mem::take(&mut registrar.0.lock().asked);
        // At 0 s, 0.1 s; 3.1 s, 3.2 s; 6.2 s twice; 9.2 s; and at the end.
        let expected = ["register", "register", "renew", "renew", "renew", "register", "renew", "withdraw"];
        assert_eq!(asked, expected);

        // Withdrawing is not waited for longer than it is worth.
        struct Stuck;
        #[async_trait]
        impl Registrar for Stuck {
            fn name(&self) -> &str {
                "stuck"
            }
            async fn register(&self, _: &[String], _: &Endpoint) -> Result<Box<dyn Lease>, DiscoveryError> {
                pending().await
            }
        }
        let all: [Arc<dyn Registrar>; 1] = [Arc::new(Stuck)];
        let registrations = Registrations::start(&all, &[], &endpoint);
        let began = tokio::time::Instant::now();
        registrations.withdraw(Duration::from_secs(1)).await;
        assert_eq!(began.elapsed(), Duration::from_secs(1));
    }
}
