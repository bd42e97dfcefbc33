use super::*;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Context, Poll, Waker};

const AGE: Duration = Duration::from_millis(200);

fn gate(places: usize, length: usize, sandboxes: &[usize]) -> Arc<Gate> {
    Gate::new(&QueueLimits { places, length, age: AGE }, sandboxes.iter().copied())
}

fn poll<F: Future>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[track_caller]
fn entered(gate: &Arc<Gate>, lane: Key, need: Need) -> Pass {
    match gate.ask(lane, need) {
        Asked::In(pass) => pass,
        Asked::Waits(_) => panic!("it has to wait"),
        Asked::Full => panic!("it is full"),
    }
}

#[track_caller]
fn waiting(gate: &Arc<Gate>, lane: Key, need: Need) -> Waiting {
    match gate.ask(lane, need) {
        Asked::Waits(waiting) => waiting,
        Asked::In(_) => panic!("it is let in"),
        Asked::Full => panic!("it is full"),
    }
}

fn is_in(waiting: &mut Waiting) -> Option<Pass> {
    waiting.answer.try_recv().ok()
}

/// Everything is as it was in the beginning.
#[track_caller]
fn is_at_rest(gate: &Gate, places: usize, sandboxes: &[usize]) {
    let inner = gate.lock();
    assert_eq!((inner.free.in_all, &*inner.free.of), (places, sandboxes));
    assert!(inner.taken.is_empty() && inner.queue.len() == 0);
}

#[test]
fn as_many_are_let_in_as_there_are_sandboxes() {
    let gate = gate(10, 10, &[4, 2]);
    let verdicts = [(); 2].map(|()| entered(&gate, 1, Need::All));
    let mut third = waiting(&gate, 1, Need::All);
    let vote = is_in(&mut waiting(&gate, 2, Need::One(0))).expect("the first detector has one beside the one that is kept");
    assert!(is_in(&mut third).is_none(), "the second detector has none");
    drop(verdicts);
    let third = is_in(&mut third).unwrap();
    drop((third, vote));
    is_at_rest(&gate, 10, &[4, 2]);
}

#[test]
fn one_lane_never_has_all_places() {
    let gate = gate(8, 100, &[4]);
    let first = [(); 3].map(|()| entered(&gate, 1, Need::All));
    let mut flood: Vec<Waiting> = (0..50).map(|_| waiting(&gate, 1, Need::All)).collect();
    let other = waiting(&gate, 2, Need::All).answer.try_recv().expect("the last place is for somebody else");
    drop(first);
    let passed: Vec<Pass> = flood.iter_mut().filter_map(is_in).collect();
    assert_eq!(passed.len(), 3);
    drop((other, passed, flood));
    is_at_rest(&gate, 8, &[4]);
}

#[test]
fn who_needs_all_is_not_passed_for_ever() {
    let gate = gate(100, 100, &[2, 2]);
    let mut votes = [entered(&gate, 1, Need::One(0)), entered(&gate, 2, Need::One(0)), entered(&gate, 3, Need::One(1))].map(Some);
    let mut verdict = waiting(&gate, 4, Need::All);
    let mut later = [1, 2, 3].map(|lane| waiting(&gate, lane, Need::One(1)));
    assert!(later.iter_mut().all(|vote| is_in(vote).is_none()), "one of the second detector is kept for who was first");
    votes[0] = None;
    assert!(is_in(&mut verdict).is_some());
}

#[test]
fn who_is_gone_takes_no_place() {
    let gate = gate(1, 10, &[1]);
    let pass = entered(&gate, 1, Need::All);
    let gone = waiting(&gate, 2, Need::All);
    let mut last = waiting(&gate, 3, Need::All);
    drop(gone);
    assert_eq!(gate.facts().waiting, 1);
    drop(pass);
    let pass = is_in(&mut last).unwrap();
    // Let in at the moment in which it goes.
    let goes = waiting(&gate, 4, Need::All);
    drop(pass);
    drop(goes);
    is_at_rest(&gate, 1, &[1]);
}

#[test]
fn who_waits_too_long_or_finds_it_full_is_told_so() {
    let gate = gate(1, 1, &[]);
    runtime().block_on(async {
        let pass = gate.enter(1, Need::All).await.unwrap();
        let mut first = Box::pin(gate.enter(1, Need::All));
        assert!(poll(&mut first).is_pending());
        assert_eq!(gate.enter(1, Need::All).await.unwrap_err(), Closed::Full);
        let (started, refused) = (Instant::now(), first.await.unwrap_err());
        assert_eq!(refused, Closed::TooOld);
        assert!(started.elapsed() > AGE / 2);
        assert_eq!(gate.facts().waiting, 0);
        drop(pass);
        assert!(gate.enter(1, Need::All).await.is_ok());
    });
    is_at_rest(&gate, 1, &[]);
}

#[test]
fn who_fills_the_queue_makes_room_for_another() {
    let gate = gate(1, 3, &[]);
    runtime().block_on(async {
        let pass = gate.enter(1, Need::All).await.unwrap();
        let mut flood = [(); 3].map(|()| Box::pin(gate.enter(1, Need::All)));
        flood.iter_mut().for_each(|waiting| assert!(poll(waiting).is_pending()));
        let mut other = Box::pin(gate.enter(2, Need::All));
        assert!(poll(&mut other).is_pending());
        assert!(matches!(poll(&mut flood[2]), Poll::Ready(Err(Closed::Full))), "the last of the flood");
        drop(pass);
        let Poll::Ready(Ok(first)) = poll(&mut flood[0]) else { panic!("the first of the flood is next") };
        drop(first);
        assert!(matches!(poll(&mut other), Poll::Ready(Ok(_))), "then it is the other's turn");
    });
}

/// Threads that come, wait, go and give up at random: nothing is lost, and no more are in than may be.
#[test]
fn places_are_neither_lost_nor_made() {
    let sandboxes = [3, 2];
    let gate = Gate::new(&QueueLimits { places: 4, length: 6, age: Duration::from_millis(2) }, sandboxes.into_iter());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    let of: Arc<[AtomicUsize; 2]> = Arc::default();
    runtime.block_on(async {
        let one = |number: u64| {
            let (gate, of) = (gate.clone(), of.clone());
            async move {
                let need = [Need::All, Need::One(0), Need::One(1)][number as usize % 3];
                let entering = gate.enter(Key::from(number % 5), need);
                let entered = match number % 4 {
                    0 => tokio::time::timeout(Duration::from_micros(number % 900), entering).await.unwrap_or(Err(Closed::TooOld)),
                    _ => entering.await,
                };
                let Ok(pass) = entered else { return 0 };
                let needed: &[usize] = match need {
                    Need::All => &[0, 1],
                    Need::One(detector) => &[[0], [1]][detector],
                };
                for detector in needed {
                    let before = of[*detector].fetch_add(1, SeqCst);
                    assert!(before < sandboxes[*detector]);
                }
                tokio::time::sleep(Duration::from_micros(number % 700)).await;
                needed.iter().for_each(|detector| assert!(of[*detector].fetch_sub(1, SeqCst) > 0));
                drop(pass);
                1
            }
        };
        let mut passed = 0;
        for round in 0..40 {
            let all: Vec<_> = (0..50).map(|number| tokio::spawn(one(round * 50 + number))).collect();
            for task in all {
                passed += task.await.unwrap();
            }
        }
        assert!(passed > 100, "{passed} of 2000 passed");
    });
    is_at_rest(&gate, 4, &sandboxes);
}

/// Prints and does not judge.
#[test]
fn the_gate_is_timed() {
    let gate = gate(32, 1000, &[4, 4, 4]);
    let _runtime = runtime();
    let rounds = 100_000_u32;
    runtime().block_on(async {
        let started = Instant::now();
        for number in 0..rounds {
            drop(pin!(gate.enter(Key::from(number % 64), Need::All)).await);
        }
        println!("a pass through the open gate takes {:?}", started.elapsed() / rounds);
    });
}
