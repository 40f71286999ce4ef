//! Idempotency keys.

use store::{Idempotency, IdempotentAnswer, StoreError};

use crate::fixture::{after, now};
use crate::on_both;

fn answer() -> IdempotentAnswer {
    IdempotentAnswer { status: 202, location: Some("/api/v1/backups/1".into()), body: "{\"id\":1}".into() }
}

on_both! {
    fn f23_the_same_request_is_done_once_and_answered_twice(fixture) {
        let begin = |request: &[u8], at| fixture.store.idempotency_begin("key", request, after(at));
        assert_eq!(begin(b"POST /a {}", 0).unwrap(), Idempotency::Fresh);
        assert_eq!(begin(b"POST /a {}", 1).unwrap(), Idempotency::InProgress);
        fixture.store.idempotency_put("key", &answer(), after(2)).unwrap();
        assert_eq!(begin(b"POST /a {}", 3).unwrap(), Idempotency::Answered(answer()));
        let reused = begin(b"POST /a {\"b\":1}", 4);
        assert!(matches!(reused, Err(StoreError::IdempotencyKeyReused)), "{reused:?}");
        assert_eq!(begin(b"POST /a {}", 23 * 3600).unwrap(), Idempotency::Answered(answer()));
        assert_eq!(begin(b"POST /a {}", 25 * 3600).unwrap(), Idempotency::Fresh, "after a day it is forgotten");
    }

    fn an_abandoned_or_lost_request_may_be_tried_again(fixture) {
        let begin = |at| fixture.store.idempotency_begin("key", b"request", after(at)).unwrap();
        assert_eq!(begin(0), Idempotency::Fresh);
        fixture.store.idempotency_abandon("key", now()).unwrap();
        assert_eq!(begin(1), Idempotency::Fresh);
        assert_eq!(begin(30), Idempotency::InProgress);
        assert_eq!(begin(90), Idempotency::Fresh, "nobody answered for a minute");
    }

    fn f23_of_requests_that_come_at_once_one_is_fresh(fixture) {
        let fresh: usize = std::thread::scope(|scope| {
            let begin = || fixture.store.idempotency_begin("key", b"request", now()).unwrap();
            let threads: Vec<_> = (0..16).map(|_| scope.spawn(move || begin() == Idempotency::Fresh)).collect();
            threads.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum()
        });
        assert_eq!(fresh, 1);
    }
}
