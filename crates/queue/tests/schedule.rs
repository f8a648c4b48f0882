//! The promises of the schedule: who is tried when, told nothing but the time.

use std::time::Duration;

use mail::{Address, Envelope, Outcome, QueueId, Recipient, Reply, ReversePath, TraceId};
use queue::{Attempt, Destination, Entry, RecipientState, Schedule, ScheduleSettings, Timestamp, Verdict, Which};

const MINUTE: Duration = Duration::from_secs(60);
const START: Timestamp = Timestamp(1_000_000_000);

fn steady() -> ScheduleSettings {
    ScheduleSettings { jitter_percent: 0, ..ScheduleSettings::default() }
}

fn entry(id: u64, from: &str, recipients: &[&str]) -> Entry {
    let envelope = Envelope {
        trace: TraceId::parse("t1").unwrap(),
        reverse_path: ReversePath::parse(from).unwrap(),
        recipients: recipients.iter().map(|text| Recipient::new(Address::parse(text).unwrap())).collect(),
        body: mail::envelope::Body::SevenBit,
        smtputf8: false,
        envelope_id: None,
        return_headers_only: false,
    };
    let states = vec![RecipientState::Waiting; recipients.len()];
    Entry { id: QueueId(id), arrived: START, envelope, states, held: false, warned: false, size: 1 }
}

fn add(schedule: &mut Schedule, entry: &Entry) -> Verdict {
    schedule.add(entry, |_, recipient| Destination::of(&recipient.address))
}

fn one(schedule: &mut Schedule, now: Timestamp) -> Attempt {
    let mut due = schedule.due(now);
    assert_eq!(due.len(), 1, "{due:?}");
    due.remove(0)
}

fn later() -> Outcome {
    Outcome::Deferred(Reply::new(451, (4, 3, 0), "later"))
}

fn ok() -> Outcome {
    Outcome::Delivered(Reply::new(250, (2, 0, 0), "Ok"))
}

fn never() -> Outcome {
    Outcome::Bounced(Reply::new(550, (5, 1, 1), "no such user"))
}

fn next_try(verdict: &Verdict) -> Timestamp {
    match &verdict.changes[..] {
        [(0, RecipientState::Deferred { next, .. })] => *next,
        other => panic!("{other:?}"),
    }
}

#[test]
fn recipients_of_one_destination_are_tried_together_and_others_go_their_own_way() {
    let mut schedule = Schedule::new(steady());
    let recipients = ["a@one.test", "b@two.test", "c@ONE.test"];
    assert_eq!(add(&mut schedule, &entry(1, "ana@example.test", &recipients)), Verdict::default());
    assert_eq!(schedule.next_due(START), Some(START));
    let due = schedule.due(START);
    let tried: Vec<_> = due.iter().map(|attempt| (attempt.destination.as_str(), &attempt.recipients[..])).collect();
    assert_eq!(tried, [("one.test", &[0, 2][..]), ("two.test", &[1])]);
    assert_eq!((schedule.due(START), schedule.next_due(START)), (vec![], None));

    let verdict = schedule.finished(&due[0], &[(0, ok()), (2, later())], START);
    let next = START.plus(5 * MINUTE);
    let Outcome::Deferred(reply) = later() else { unreachable!() };
    let deferred = RecipientState::Deferred { reply, attempts: 1, next };
    assert_eq!(verdict.changes, [(0, RecipientState::Delivered(ok().reply().clone())), (2, deferred)]);
    assert!(!verdict.finished);
    let verdict = schedule.finished(&due[1], &[(1, never())], START);
    assert_eq!((verdict.bounced, verdict.finished), (vec![1], false));

    assert_eq!(schedule.next_due(START), Some(next));
    assert_eq!(schedule.due(Timestamp(next.0 - 1)), []);
    let again = one(&mut schedule, next);
    assert_eq!(again.recipients, [2]);
    assert!(schedule.finished(&again, &[(2, ok())], next).finished);
    assert_eq!(schedule.next_due(next), None);
}

#[test]
fn waits_double_to_the_longest() {
    let mut schedule = Schedule::new(steady());
    add(&mut schedule, &entry(1, "ana@example.test", &["b@two.test"]));
    let mut now = START;
    for minutes in [5, 10, 20, 40, 60, 60] {
        let attempt = one(&mut schedule, now);
        let next = next_try(&schedule.finished(&attempt, &[(0, later())], now));
        assert_eq!(next.since(now), minutes * MINUTE);
        now = next;
    }
}

#[test]
fn what_is_too_old_has_a_last_try_and_then_bounces() {
    let hour = 60 * MINUTE;
    for (from, lifetime) in [("ana@example.test", 3 * hour), ("", hour)] {
        let settings = ScheduleSettings { message_lifetime: 3 * hour, bounce_lifetime: hour, ..steady() };
        let mut schedule = Schedule::new(settings);
        add(&mut schedule, &entry(1, from, &["b@two.test"]));
        let mut now = START;
        let verdict = loop {
            let attempt = one(&mut schedule, now);
            let verdict = schedule.finished(&attempt, &[(0, later())], now);
            if verdict.finished {
                break verdict;
            }
            now = next_try(&verdict);
        };
        assert_eq!(now, START.plus(lifetime));
        assert_eq!(verdict.bounced, [0]);
        let [(0, RecipientState::Bounced(reply))] = &verdict.changes[..] else { panic!("{verdict:?}") };
        assert!(reply.to_string().starts_with("554 5.4.7 ") && reply.text.contains("451 4.3.0 later"), "{reply}");
    }
}

#[test]
fn the_sender_is_warned_of_a_delay_once() {
    let settings = ScheduleSettings { delay_warning: Some(10 * MINUTE), ..steady() };
    for (from, warnings) in [("ana@example.test", vec![vec![], vec![], vec![0, 1], vec![]]), ("", vec![vec![]; 4])] {
        let mut schedule = Schedule::new(settings.clone());
        add(&mut schedule, &entry(1, from, &["b@two.test", "c@two.test"]));
        let mut now = START;
        let mut told = Vec::new();
        for minutes in [5, 10, 20, 40] {
            let attempt = one(&mut schedule, now);
            told.push(schedule.finished(&attempt, &[(0, later()), (1, later())], now).delayed);
            now = now.plus(minutes * MINUTE);
        }
        assert_eq!(told, warnings, "from <{from}>");
    }
}

#[test]
fn a_destination_has_no_more_attempts_than_its_bound_and_delays_nobody() {
    let settings = ScheduleSettings { concurrency_per_destination: 2, concurrency: 4, ..steady() };
    let mut schedule = Schedule::new(settings);
    (0..50).for_each(|id| _ = add(&mut schedule, &entry(id, "ana@example.test", &["b@bulk.test"])));
    (50..53).for_each(|id| _ = add(&mut schedule, &entry(id, "ana@example.test", &[&format!("b@{id}.test")])));
    let due = schedule.due(START);
    let tried: Vec<_> = due.iter().map(|attempt| (attempt.id.0, attempt.destination.as_str())).collect();
    assert_eq!(tried, [(0, "bulk.test"), (50, "50.test"), (51, "51.test"), (52, "52.test")]);
    assert_eq!(schedule.due(START), []);
    schedule.finished(&due[1], &[(0, ok())], START);
    let second = one(&mut schedule, START);
    assert_eq!(second.id.0, 1);
    schedule.finished(&due[2], &[(0, ok())], START);
    assert_eq!(schedule.due(START), [], "a third to one destination");
    assert_eq!(schedule.next_due(START), None);
    schedule.finished(&second, &[(0, ok())], START);
    assert_eq!(one(&mut schedule, START).id.0, 2);
}

#[test]
fn a_flush_tries_now_what_waits_and_leaves_the_rest() {
    let mut schedule = Schedule::new(steady());
    for id in 1..=3 {
        add(&mut schedule, &entry(id, "ana@example.test", &["b@two.test"]));
    }
    for attempt in schedule.due(START).into_iter().skip(1) {
        schedule.finished(&attempt, &[(0, later())], START);
    }
    assert_eq!(schedule.flush(Which::One(QueueId(2)), START), 1);
    assert_eq!(one(&mut schedule, START).id, QueueId(2));
    assert_eq!(schedule.flush(Which::All, START), 1, "1 and 2 are under way");
    assert_eq!(one(&mut schedule, START).id, QueueId(3));
    assert_eq!(schedule.flush(Which::One(QueueId(99)), START), 0);
}

#[test]
fn what_is_held_is_not_tried_until_it_is_released() {
    let mut schedule = Schedule::new(ScheduleSettings { concurrency_per_destination: 1, ..steady() });
    (1..=3).for_each(|id| _ = add(&mut schedule, &entry(id, "ana@example.test", &["b@two.test"])));
    let first = one(&mut schedule, START);
    assert_eq!(schedule.hold(Which::All), [QueueId(1), QueueId(2), QueueId(3)]);
    assert_eq!(schedule.hold(Which::All), []);
    let verdict = schedule.finished(&first, &[(0, later())], START);
    assert!(next_try(&verdict) > START);
    let far = START.plus(600 * MINUTE);
    assert_eq!((schedule.due(far), schedule.flush(Which::All, far)), (vec![], 0));
    assert_eq!(schedule.release(Which::One(QueueId(1))), [QueueId(1)]);
    let again = one(&mut schedule, far);
    assert_eq!(again.id, QueueId(1));
    schedule.finished(&again, &[(0, ok())], far);
    let mut held = entry(4, "ana@example.test", &["b@two.test"]);
    held.held = true;
    add(&mut schedule, &held);
    assert_eq!(schedule.due(far), []);
}

#[test]
fn a_recovered_entry_says_what_the_crash_left_undone() {
    let mut schedule = Schedule::new(steady());
    let mut recovered = entry(1, "ana@example.test", &["a@one.test", "b@one.test", "c@one.test"]);
    let reply = || Reply::new(451, (4, 3, 0), "later");
    recovered.states[0] = RecipientState::Bounced(reply());
    recovered.states[1] = RecipientState::Deferred { reply: reply(), attempts: 4, next: START.plus(MINUTE) };
    recovered.states[2] = RecipientState::Reported(reply());
    let verdict = add(&mut schedule, &recovered);
    assert_eq!((verdict.bounced, verdict.finished), (vec![0], false));
    assert_eq!(schedule.due(START), []);
    let attempt = one(&mut schedule, START.plus(MINUTE));
    assert_eq!(attempt.recipients, [1]);
    let verdict = schedule.finished(&attempt, &[], START);
    let [(1, RecipientState::Deferred { attempts: 5, reply, .. })] = &verdict.changes[..] else {
        panic!("{verdict:?}")
    };
    assert_eq!(reply.code, 451);

    recovered.states[1] = RecipientState::Delivered(reply.clone());
    let verdict = add(&mut schedule, &recovered);
    assert_eq!((verdict.bounced, verdict.finished), (vec![0], true));
}

#[test]
fn an_attempt_of_a_removed_entry_gives_its_place_back() {
    let mut schedule = Schedule::new(ScheduleSettings { concurrency: 1, ..steady() });
    (1..=3).for_each(|id| _ = add(&mut schedule, &entry(id, "ana@example.test", &["b@two.test"])));
    let attempt = one(&mut schedule, START);
    schedule.remove(QueueId(1));
    schedule.remove(QueueId(2));
    assert_eq!(schedule.due(START), []);
    assert_eq!(schedule.finished(&attempt, &[(0, ok())], START), Verdict::default());
    assert_eq!(one(&mut schedule, START).id, QueueId(3));
}

#[test]
fn held_and_released_many_times_is_still_tried_once() {
    let mut schedule = Schedule::new(ScheduleSettings { concurrency_per_destination: 1, ..steady() });
    (1..=2).for_each(|id| _ = add(&mut schedule, &entry(id, "ana@example.test", &["b@two.test"])));
    let first = one(&mut schedule, START);
    for _ in 0..5 {
        schedule.hold(Which::One(QueueId(2)));
        schedule.release(Which::One(QueueId(2)));
        assert_eq!(schedule.due(START), []);
    }
    schedule.finished(&first, &[(0, ok())], START);
    let second = one(&mut schedule, START);
    assert_eq!(second.id, QueueId(2));
    // Added anew while it is under way: the old attempt says nothing of the new entry, and frees its place.
    add(&mut schedule, &entry(2, "ana@example.test", &["b@two.test"]));
    assert_eq!(schedule.finished(&second, &[(0, ok())], START), Verdict::default());
    assert_eq!(one(&mut schedule, START).id, QueueId(2));
    assert_eq!(schedule.due(START), []);
}

/// A day with 60 messages to 7 destinations that defer by a rule; everything the schedule said.
fn a_day(seed: u64) -> Vec<(Timestamp, Attempt)> {
    let settings = ScheduleSettings { jitter_seed: seed, concurrency: 5, ..ScheduleSettings::default() };
    let mut schedule = Schedule::new(settings);
    for id in 0..60 {
        let (to, cc) = (format!("b@{}.test", id % 7), format!("c@{}.test", id % 3));
        add(&mut schedule, &entry(id, "ana@example.test", &[&to, &cc]));
    }
    let mut said = Vec::new();
    let mut now = START;
    while let Some(next) = schedule.next_due(now).filter(|next| next.since(START) < 24 * 60 * MINUTE) {
        now = next;
        for attempt in schedule.due(now) {
            let outcome =
                |index: &usize| (*index, if (attempt.id.0 + *index as u64).is_multiple_of(4) { later() } else { ok() });
            let outcomes: Vec<_> = attempt.recipients.iter().map(outcome).collect();
            schedule.finished(&attempt, &outcomes, now);
            said.push((now, attempt));
        }
    }
    said
}

#[test]
fn the_same_calls_have_the_same_answers() {
    let day = a_day(1);
    assert!(day.len() > 500, "{}", day.len());
    assert_eq!(day, a_day(1));
    assert_ne!(day, a_day(2));
}
