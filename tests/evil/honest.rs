//! Owns [`Honest`]: a client like any other, on a connection of its own, that calls all the time and notes how that goes;
//! and through which the server is asked what it has counted. And [`Latencies`], which are compared.

use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc as asynchronous;
use tokio::time::Instant;
use traitwire::CallOptions;
use traitwire_tests::{ConformanceClient, Counters};

/// The longest that a call of an honest peer may take beside an attack. A machine that is busy with other things has
/// its share in it; a call that waits for the timeouts that there are by default takes ten seconds or more.
pub(crate) const HONEST: Duration = Duration::from_secs(9);

/// By how many times the median of calls beside attacks may be longer than that of the calls before each of them, and what is
/// no matter: attackers at line rate and the process under attack share two processors with the honest one.
///
/// Medians of at least [`ENOUGH`], because the longest of a few calls is the scheduler's word: [`HONEST`] bounds those.
const FACTOR: u32 = 10;
const NO_MATTER: Duration = Duration::from_millis(250);
const ENOUGH: usize = 50;

/// How long honest calls took, in all cases of a table.
#[derive(Debug, Default)]
pub(crate) struct Latencies {
    /// While nobody did anything else.
    pub(crate) calm: Vec<Duration>,
    pub(crate) beside: Vec<Duration>,
}

impl Latencies {
    /// An honest peer has not noticed the attacks.
    pub(crate) fn judge(mut self) {
        let quantiles = |took: &mut Vec<Duration>| {
            took.sort_unstable();
            let at = |hundredth: usize| took[(took.len() - 1) * hundredth / 100];
            (at(50), at(99), took.len())
        };
        let (calm, beside) = (quantiles(&mut self.calm), quantiles(&mut self.beside));
        println!("honest calls (median, p99, number): {calm:.1?} before attacks, {beside:.1?} beside them");
        if calm.2.min(beside.2) < ENOUGH {
            return;
        }
        let most = FACTOR * calm.0 + NO_MATTER;
        assert!(
            beside.0 <= most,
            "half of the honest calls took {:?} or more, of {most:?} that may be",
            beside.0
        );
    }
}

/// How its calls went.
#[derive(Clone, Debug, Default)]
pub(crate) struct Story {
    /// Calls that it has made in all, those for the counters included.
    pub(crate) calls: u64,
    /// How long each of them took since the last question.
    pub(crate) took: Vec<Duration>,
    /// What went wrong, ever.
    pub(crate) failures: Vec<String>,
    /// What the server has counted, this call included.
    pub(crate) counts: Counters,
}

/// A client that calls all the time.
#[derive(Debug)]
pub(crate) struct Honest {
    questions: asynchronous::UnboundedSender<mpsc::Sender<Story>>,
    thread: Option<JoinHandle<()>>,
}

/// The pause between its calls: it is company, not load.
const PAUSE: Duration = Duration::from_millis(2);

impl Honest {
    pub(crate) fn call(address: &str) -> Self {
        let uri = format!("tcp://{address}");
        let (questions, asked) = asynchronous::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let thread = std::thread::spawn(move || runtime.block_on(work(uri, asked)));
        Self { questions, thread: Some(thread) }
    }

    /// How its calls went since this was last asked; at least one that began after the question is among them.
    pub(crate) fn story(&self) -> Story {
        let (answer, told) = mpsc::channel();
        self.questions.send(answer).unwrap();
        told.recv().expect("the honest client is at work")
    }
}

impl Drop for Honest {
    fn drop(&mut self) {
        let (questions, _) = asynchronous::unbounded_channel();
        self.questions = questions;
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

async fn work(uri: String, mut asked: asynchronous::UnboundedReceiver<mpsc::Sender<Story>>) {
    let client = ConformanceClient::connect(&uri).await.expect("it connects");
    // A call that takes longer than a minute has failed, whatever else holds it up.
    let client = client.with(CallOptions::new().timeout(Duration::from_secs(60)));
    let mut story = Story::default();
    loop {
        let question = match tokio::time::timeout(PAUSE, asked.recv()).await {
            Ok(None) => return,
            Ok(Some(question)) => Some(question),
            Err(_) => None,
        };
        let began = Instant::now();
        match client.add(2, 3).await {
            Ok(5) => {}
            other => story.failures.push(format!("{other:?}")),
        }
        story.took.push(began.elapsed());
        story.calls += 1;
        if let Some(question) = question {
            story.calls += 1;
            match client.counters().await {
                Ok(counts) => story.counts = counts,
                Err(error) => story.failures.push(error.to_string()),
            }
            let _ = question.send(story.clone());
            story.took.clear();
        }
    }
}
