//! The algorithms by small mailboxes; `crates/store/tests` compares with the real Dovecot.

use proptest::prelude::*;

use super::*;

/// A thread as THREAD's response has it, with numbers from 1.
fn shown(threads: &Threads) -> String {
    fn node(threads: &Threads, at: usize) -> String {
        let Node { uid, children } = &threads.nodes[at];
        let own = uid.map(|uid| uid.to_string()).unwrap_or_default();
        let below: Vec<String> = children.iter().map(|child| node(threads, *child)).collect();
        match &below[..] {
            [] => own,
            [only] => format!("{own} {only}"),
            many => format!("{own}{}", many.iter().map(|child| format!("({child})")).collect::<String>()),
        }
    }
    threads.roots.iter().map(|root| format!("({})", node(threads, *root))).collect()
}

/// Messages by their headers; each arrives a minute after the one before and was sent then, unless it says otherwise.
fn threaded(algorithm: Algorithm, headers: &[&str]) -> String {
    let messages: Vec<Message> = headers
        .iter()
        .enumerate()
        .map(|(at, header)| {
            let facts = Facts { size: 1, internal_date: 60 * at as i64, header: header.as_bytes() };
            algorithm.message(Uid::new(at as u32 + 1).unwrap(), facts)
        })
        .collect();
    shown(&algorithm.threads(&messages))
}

#[test]
fn one_subject_is_one_thread_two_levels_deep() {
    let headers =
        ["Subject: b\r\n", "Subject: a\r\n", "Subject: Re: b\r\n", "Subject: RE: B\r\n", "\r\n", "Subject: re: a\r\n"];
    assert_eq!(threaded(Algorithm::OrderedSubject, &headers), "(1(3)(4))(2 6)(5)");
}

#[test]
fn references_make_trees_and_missing_messages_hold_them_together() {
    let headers = [
        "Message-ID: <1@x>\r\nSubject: a\r\n",
        "Message-ID: <2@x>\r\nSubject: Re: a\r\nReferences: <1@x>\r\n",
        "Message-ID: <3@x>\r\nSubject: Re: a\r\nReferences: <1@x> <2@x>\r\n",
        "Message-ID: <4@x>\r\nSubject: Re: a\r\nIn-Reply-To: <1@x>\r\n",
        "Message-ID: <5@x>\r\nSubject: x\r\nReferences: <gone@x>\r\n",
        "Message-ID: <6@x>\r\nSubject: y\r\nReferences: <gone@x> <gone2@x>\r\n",
        "Message-ID: <7@x>\r\nSubject: z\r\nReferences: <away@x>\r\n",
    ];
    for algorithm in [Algorithm::References, Algorithm::Refs] {
        assert_eq!(threaded(algorithm, &headers), "(1(2 3)(4))((5)(6))(7)");
    }
}

#[test]
fn what_has_one_subject_is_joined_unless_only_references_count() {
    let headers = [
        "Subject: a\r\n",
        "Subject: Re: a\r\n",
        "Subject: b\r\n",
        "Subject: b\r\n",
        "Subject: Re: c\r\n",
        "Subject: c\r\n",
    ];
    assert_eq!(threaded(Algorithm::References, &headers), "(1 2)((3)(4))(6 5)");
    assert_eq!(threaded(Algorithm::Refs, &headers), "(1)(2)(3)(4)(5)(6)");
}

#[test]
fn the_thread_that_was_written_to_last_is_the_last_of_refs() {
    let headers = ["Message-ID: <1@x>\r\n", "Message-ID: <2@x>\r\n", "References: <1@x>\r\n"];
    assert_eq!(threaded(Algorithm::References, &headers), "(1 3)(2)");
    assert_eq!(threaded(Algorithm::Refs, &headers), "(2)(1 3)");
}

#[test]
fn loops_and_doubles_are_broken() {
    let headers = [
        "Message-ID: <1@x>\r\nReferences: <2@x>\r\n",
        "Message-ID: <2@x>\r\nReferences: <1@x>\r\n",
        "Message-ID: <2@x>\r\nReferences: <2@x> <2@x>\r\n",
        "Message-ID: <4@x>\r\nReferences: <4@x>\r\n",
    ];
    assert_eq!(threaded(Algorithm::References, &headers), "(2(1)(3))(4)");
}

#[test]
fn a_chain_of_many_costs_no_stack_and_no_hours() {
    let header = |at: usize| format!("Message-ID: <{at}@x>\r\nReferences: <{}@x>\r\n", at + 1);
    let messages: Vec<Message> = (0..50_000)
        .map(|at| {
            let header = header(at);
            let facts = Facts { size: 1, internal_date: 0, header: header.as_bytes() };
            Algorithm::References.message(Uid::new(at as u32 + 1).unwrap(), facts)
        })
        .collect();
    let threads = Algorithm::References.threads(&messages);
    assert_eq!(threads.roots.len(), 1);
}

proptest! {
    #[test]
    fn every_message_is_in_one_place(
        picks in prop::collection::vec((0usize..8, prop::collection::vec(0usize..10, 0..4), 0usize..4, any::<bool>()), 0..12),
        algorithm in prop::sample::select(vec![Algorithm::OrderedSubject, Algorithm::References, Algorithm::Refs]),
    ) {
        let messages: Vec<Message> = picks.iter().enumerate().map(|(at, (own, references, subject, reply))| {
            let references: String = references.iter().map(|id| format!(" <{id}@x>")).collect();
            let reply = if *reply { "Re: " } else { "" };
            let header = format!("Message-ID: <{own}@x>\r\nReferences:{references}\r\nSubject: {reply}{}\r\n", ["", "a", "b", "c"][*subject]);
            let facts = Facts { size: 1, internal_date: (*own as i64) * 7, header: header.as_bytes() };
            algorithm.message(Uid::new(at as u32 + 1).unwrap(), facts)
        }).collect();
        let threads = algorithm.threads(&messages);
        let (mut waiting, mut seen) = (threads.roots.clone(), Vec::new());
        while let Some(at) = waiting.pop() {
            let node = &threads.nodes[at];
            seen.extend(node.uid);
            prop_assert!(node.uid.is_some() || node.children.len() > 1);
            waiting.extend(&node.children);
            prop_assert!(waiting.len() <= 100);
        }
        seen.sort_unstable();
        let all: Vec<Uid> = messages.iter().map(|message| message.uid).collect();
        prop_assert_eq!(seen, all);
    }
}
