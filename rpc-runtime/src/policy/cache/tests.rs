//! The cache in virtual time: the store within its bytes, and the wrapper around calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::join_all;
use proptest::prelude::*;

use crate::call::{
    CallResult, Caller, Code, Delivery, MethodDescriptor, Payload, Request, Response, RpcError, SharedDice,
};
use crate::observe::Counters;
use crate::policy::cache::entry::Entry;
use crate::policy::cache::key::{Key, Varies};
use crate::policy::cache::store::Store;
use crate::policy::cache::{Cache, CacheCaller, CacheConfig, CachePolicy};
use crate::policy::scripted::{Scripted, answer, impatient, lost};

static READ: MethodDescriptor = MethodDescriptor::new("read", "S.read", 0).idempotent();
static WRITE: MethodDescriptor = MethodDescriptor::new("write", "S.write", 1);
const MS: Duration = Duration::from_millis(1);
const TTL: Duration = Duration::from_secs(10);

fn read(arguments: &[u8]) -> Request {
    Request::new(&READ, Payload::new(arguments.to_vec()))
}

fn text(result: CallResult) -> String {
    String::from_utf8(result.unwrap().body().bytes().to_vec()).unwrap()
}

/// Answers each call after 100 ms with its arguments and the number of the call.
fn numbered() -> Scripted {
    let count = AtomicU32::new(0);
    Scripted::new(move |request: Request| {
        let number = count.fetch_add(1, Ordering::Relaxed) + 1;
        async move {
            tokio::time::sleep(MS * 100).await;
            let arguments = String::from_utf8_lossy(request.arguments().bytes()).into_owned();
            answer(format!("{arguments}{number}").as_bytes())
        }
    })
}

fn config() -> CacheConfig {
    CacheConfig::new(TTL).method("S.read").method("S.write").seed(7)
}

async fn pass(time: Duration) {
    tokio::time::advance(time).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_given_again_until_its_time_is_over() {
    for policy in [CachePolicy::WTinyLfu, CachePolicy::Lru, CachePolicy::Lfu, CachePolicy::Arc] {
        let (inner, counters) = (numbered(), Arc::new(Counters::new()));
        let cache = Cache::observed(config().policy(policy), counters.clone());
        let caller = cache.around(inner.clone());
        assert_eq!(text(caller.call(read(b"a")).await), "a1");
        pass(TTL * 8 / 10).await;
        let again = caller.call(read(b"a")).await.unwrap();
        assert_eq!((again.body().bytes(), again.attempts()), (&b"a1"[..], 0), "it was not sent");
        assert_eq!(text(caller.call(read(b"b")).await), "b2", "other arguments, another answer");
        pass(TTL * 4 / 10).await;
        assert_eq!(text(caller.call(read(b"a")).await), "a3");
        let known = cache.snapshot();
        assert_eq!((known.hit, known.miss, known.entries), (1, 3, 2));
        assert_eq!(counters.snapshot().cached["miss"], 3);
        cache.clear();
        assert_eq!(cache.snapshot().entries, 0, "{policy:?}");
        assert_eq!(text(caller.call(read(b"a")).await), "a4");
    }
}

#[tokio::test(start_paused = true)]
async fn times_differ_by_a_tenth_so_that_answers_do_not_expire_together() {
    let caller = Cache::new(config()).around(numbered());
    let ask = |caller: &CacheCaller<Scripted>| {
        let calls: Vec<_> = (0..100_u8).map(|number| caller.call(read(&[number]))).collect();
        join_all(calls)
    };
    ask(&caller).await;
    let mut expired = Vec::new();
    pass(TTL * 89 / 100).await;
    for _ in 0..6 {
        let is_fresh = |number: &u8| caller.call(read(&[*number])).now_or_never().is_some();
        expired.push(100 - (0..100).filter(is_fresh).count());
        pass(TTL * 5 / 100).await;
    }
    assert_eq!((expired[0], expired[5]), (0, 100), "between 9 s and 11 s: {expired:?}");
    assert!(expired[2] > 30 && expired[2] < 70, "{expired:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_reading_is_never_cached() {
    let inner = numbered();
    let caller = Cache::new(config()).around(inner.clone());
    for _ in 0..2 {
        caller.call(Request::new(&WRITE, Payload::default())).await.unwrap();
        caller.call(Request::by_name("S.read", Payload::default())).await.unwrap();
    }
    assert_eq!(inner.began(), 4, "one is not idempotent, of the other nobody knows");
    let caller = Cache::new(CacheConfig::new(TTL).method("S.other")).around(inner.clone());
    for _ in 0..2 {
        caller.call(read(b"")).await.unwrap();
    }
    assert_eq!(inner.began(), 6, "a method that is not named");
}

#[tokio::test(start_paused = true)]
async fn nobody_gets_an_answer_that_was_meant_for_somebody_else() {
    let caller = Cache::new(config().vary_on(["tenant"])).around(numbered());
    let ask = |who: &'static str| {
        let mut request = read(b"");
        request.metadata_mut().set("token", who).unwrap().sensitive();
        caller.call(request)
    };
    let (ada, grace) = futures::future::join(ask("Ada"), ask("Grace")).await;
    assert_eq!(
        (text(ada), text(grace)),
        ("1".to_owned(), "2".to_owned()),
        "not even while both are under way"
    );
    assert_eq!((text(ask("Ada").await), text(ask("Grace").await)), ("1".to_owned(), "2".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn callers_of_the_same_share_one_call() {
    let inner = numbered();
    let cache = Cache::new(config());
    let caller = cache.around(inner.clone());
    let all = join_all((0..10).map(|_| caller.call(read(b"a")))).await;
    assert!(all.into_iter().map(text).all(|text| text == "a1"));
    assert_eq!(inner.began(), 1);
    let known = cache.snapshot();
    assert_eq!((known.miss, known.coalesced), (1, 9));
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_leaves_or_runs_out_of_time_takes_nobody_with_it() {
    let inner = numbered();
    let caller = Cache::new(config()).around(inner.clone());
    let began = tokio::time::Instant::now();
    let mut leader = caller.call(read(b"a"));
    assert!((&mut leader).now_or_never().is_none());
    let mut impatient = read(b"a");
    impatient.set_timeout(MS * 30);
    let leaves = async {
        tokio::time::sleep(MS * 50).await;
        drop(leader);
    };
    let follow = |request| caller.call(request).map(|result| (result, began.elapsed()));
    let (first, second, third, ()) =
        futures::future::join4(follow(impatient), follow(read(b"a")), follow(read(b"a")), leaves).await;
    let error = first.0.unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::DEADLINE_EXCEEDED, Delivery::NotSent));
    assert_eq!(first.1, MS * 30);
    assert!(error.message().contains("30.0ms waiting for the same call of somebody else"), "{error}");
    assert_eq!((text(second.0), second.1), ("a2".to_owned(), MS * 150), "it leads now");
    assert_eq!((text(third.0), third.1), ("a2".to_owned(), MS * 150), "and this one follows");
    assert_eq!(inner.began(), 2);

    let expires = Scripted::new(|request: Request| async move {
        tokio::time::sleep(request.timeout().unwrap()).await;
        Err(RpcError::new(Code::DEADLINE_EXCEEDED, Delivery::Unknown, "too late"))
    });
    let caller = Cache::new(config()).around(expires.clone());
    let timed = |timeout| {
        let mut request = read(b"a");
        request.set_timeout(timeout);
        let began = tokio::time::Instant::now();
        caller.call(request).map(move |result| (result.unwrap_err().delivery(), began.elapsed()))
    };
    let (short, long) = futures::future::join(timed(MS * 40), timed(MS * 100)).await;
    assert_eq!(short, (Delivery::Unknown, MS * 40));
    assert_eq!(
        long,
        (Delivery::Unknown, MS * 100),
        "it made the call itself, with what was left of its time"
    );
    assert_eq!(expires.began(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_stale_answer_stands_in_where_the_callee_fails_and_not_where_the_call_does() {
    let fails: Arc<parking_lot::Mutex<Option<Code>>> = Arc::default();
    let script = Arc::clone(&fails);
    let inner = Scripted::new(move |_| {
        let fails = *script.lock();
        async move {
            match fails {
                None => answer(b"x"),
                Some(Code::UNAVAILABLE) => lost(),
                Some(code) => Err(RpcError::new(code, Delivery::Refused, "no")),
            }
        }
    });
    let cache = Cache::new(config().stale_if_error(TTL));
    let caller = cache.around(inner.clone());
    text(caller.call(read(b"")).await);
    *fails.lock() = Some(Code::UNAVAILABLE);
    pass(TTL * 12 / 10).await;
    assert_eq!(text(caller.call(read(b"")).await), "x");
    assert_eq!(inner.began(), 2, "it was asked first");
    *fails.lock() = Some(Code::PERMISSION_DENIED);
    assert_eq!(caller.call(read(b"")).await.unwrap_err().code(), Code::PERMISSION_DENIED);
    *fails.lock() = Some(Code::UNAVAILABLE);
    let both = join_all([caller.call(read(b"")), caller.call(read(b""))]).await;
    assert!(both.into_iter().map(text).all(|text| text == "x"), "followers too");
    pass(TTL).await;
    assert_eq!(caller.call(read(b"")).await.unwrap_err().code(), Code::UNAVAILABLE);
    assert_eq!(cache.snapshot().stale, 3);
    let other = Cache::new(config()).around(inner);
    assert!(other.call(read(b"")).await.is_err(), "errors are not kept");
    *fails.lock() = None;
    assert_eq!(text(other.call(read(b"")).await), "x");
}

#[tokio::test(start_paused = true)]
async fn the_services_own_errors_are_kept_only_if_asked() {
    for (config, expected) in [(config(), 2), (config().errors(TTL), 1)] {
        let inner = Scripted::new(|_| async { Ok(Response::app_error(Payload::new(b"not found".to_vec()))) });
        let caller = Cache::new(config).around(inner.clone());
        for _ in 0..2 {
            assert!(caller.call(read(b"")).await.unwrap().is_app_error());
        }
        assert_eq!(inner.began(), expected);
    }
}

/// Many threads ask for the same few things and leave after any number of polls: nobody waits in vain, and nobody gets what he
/// has not asked for. Nothing is kept, so that each round is a flight.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threads_that_come_and_go_all_get_what_they_have_asked_for() {
    let inner = Scripted::new(|request: Request| async move {
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        answer(request.arguments().bytes())
    });
    let cache = Cache::new(CacheConfig::new(Duration::ZERO).method("S.read"));
    let tasks = (0..16).map(|number| {
        let (caller, dice) = (cache.around(inner.clone()), SharedDice::new(number));
        tokio::spawn(async move {
            for _ in 0..300 {
                let (polls, asked) = (dice.throw().0 % 12, (dice.throw().0 % 3) as u8);
                let call = caller.call(read(&[asked]));
                let result = impatient(call, Some(polls).filter(|polls| *polls < 8)).await;
                assert!(result.is_none_or(|result| result.unwrap().body().bytes() == [asked]));
            }
        })
    });
    let all = tokio::time::timeout(Duration::from_secs(60), join_all(tasks.collect::<Vec<_>>()));
    assert!(all.await.expect("somebody waits in vain").into_iter().all(|task| task.is_ok()));
    let known = cache.snapshot();
    assert!(known.coalesced > 0 && known.miss > 0 && u64::from(inner.began()) <= known.miss, "{known:?}");
}

#[test]
fn settings_beyond_reason_do_not_panic() {
    let config = CacheConfig::new(Duration::MAX).method("S.read").errors(Duration::MAX).bytes(0);
    let caller =
        Cache::new(config.stale_if_error(Duration::MAX)).around(Scripted::new(|_| async { answer(b"x") }));
    assert!(caller.call(read(b"")).now_or_never().is_some());
}

proptest! {
    /// Whatever comes: within its bytes, and no answer under another call's key.
    #[test]
    fn the_store_keeps_its_bound_and_its_keys(
        policy in prop_oneof![
            Just(CachePolicy::WTinyLfu),
            Just(CachePolicy::Lru),
            Just(CachePolicy::Lfu),
            Just(CachePolicy::Arc),
        ],
        bytes in 1_000_usize..20_000,
        steps in prop::collection::vec((0_u8..60, 0_usize..3_000), 1..200),
    ) {
        let store = Store::new(policy, bytes);
        let now = tokio::time::Instant::now().into_std();
        for (number, size) in steps {
            let key = Key::of(&read(&[number]), &Varies::All);
            if let Some(entry) = store.get(&key) {
                prop_assert_eq!(entry.response().body().bytes()[0], number);
            }
            let response = Response::value(Payload::new(vec![number; size + 1]));
            let entry = Arc::new(Entry::new(now, key.clone(), response, TTL, TTL));
            let (cost, is_small) = (entry.cost(), entry.cost() <= bytes / 8);
            store.put(&key, entry);
            prop_assert!(store.size().1 <= bytes, "{} of {}", store.size().1, bytes);
            if policy != CachePolicy::WTinyLfu && is_small {
                let kept = store.get(&key).map(|entry| entry.cost());
                prop_assert_eq!(kept, Some(cost), "only the one that judges on arrival may refuse");
            }
        }
    }
}
