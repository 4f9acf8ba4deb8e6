//! Every fail point and every protection that can be broken, each with its name and what it stands for.

macro_rules! names {
    ($(#[$doc:meta])* $kind:ident { $($variant:ident = $name:literal, $what:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $kind {
            $(#[doc = $what] $variant,)*
        }

        impl $kind {
            /// All of them, in order of their windows.
            pub const ALL: &[$kind] = &[$($kind::$variant,)*];

            /// As in the environment.
            pub const fn name(self) -> &'static str {
                match self { $($kind::$variant => $name,)* }
            }

            /// What happens there.
            pub const fn what(self) -> &'static str {
                match self { $($kind::$variant => $what,)* }
            }

            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.name() == name)
            }
        }
    };
}

names! {
    /// A moment at which a process can be made to end, to wait, or to fail.
    Point {
        W1 = "w1", "the collector has handed records to the log, the log has not acknowledged";
        W2 = "w2", "the log has acknowledged, the collector has not answered";
        W3 = "w3", "all statements of a commit are written, COMMIT is not sent";
        W4Lost = "w4-lost", "COMMIT is about to be sent; `error`: it never arrives, and nobody knows";
        W4Sent = "w4-sent", "COMMIT is on its way";
        W4 = "w4", "COMMIT is done, its answer is not here; `error`: the answer is lost";
        W5 = "w5", "a commit is known to be done, its lists are not in the cache";
        W5Offsets = "w5-offsets", "the cache is written, the group's offsets are not told to lag tools";
        W6 = "w6", "a batch is folded, its commit is not begun; `sleep`: its owner becomes a zombie";
        W6Fenced = "w6-fenced", "a zombie's commit was refused";
        W7 = "w7", "a list is on its way to the cache; `sleep`: it arrives late";
        W11 = "w11", "owed records are appended, the outbox still holds them";
        W12 = "w12", "a request's write is in the middle of its transaction; `sleep`: long enough for the client to go";
        W13File = "w13-file", "a model's file is written, its row is not";
        W13Row = "w13-row", "a model's row is written, the pointer is not flipped";
        W13Pointer = "w13-pointer", "a model's pointer is flipped, its trainer does not know yet";
    }
}

names! {
    /// A protection that a test may break, to see that its absence is noticed.
    Break {
        AnswerBeforeAck = "answer-before-ack", "W1: the collector answers 2xx before the log has acknowledged";
        NoDedupe = "no-dedupe", "W2: an event that a client sends again counts again";
        OffsetsFirst = "offsets-first", "W3: offsets are committed before what they stand for";
        RowsFirst = "rows-first", "W3: rows are committed before the offsets that go with them";
        UnknownIsFailed = "unknown-is-failed", "W4: a commit of unknown outcome is taken for failed and folded again";
        UnknownIsDone = "unknown-is-done", "W4: a commit of unknown outcome is taken for done";
        NoRepublish = "no-republish", "W5: what a crash kept from the cache is never published again";
        WriteForgotten = "write-forgotten", "W5: a list that the cache did not take is not brought again";
        GroupOffsets = "group-offsets", "W5: the shard begins at the end of the log, as a group without offsets would";
        NoEpochTest = "no-epoch-test", "W6: the commit compares offsets, not the epoch";
        NoOffsetTest = "no-offset-test", "W6: the commit compares the epoch, not the offsets";
        EpochStays = "epoch-stays", "W6: taking a shard over does not raise its epoch";
        CacheUnversioned = "cache-unversioned", "W7: the cache takes whatever comes last";
        CacheFirst = "cache-first", "W7: lists are in the cache before the truth has them";
        NoGraves = "no-graves", "W7: after a removal the cache takes what a late reader brings";
        OutboxMarkedFirst = "outbox-marked-first", "W11: owed records are deleted before they are appended";
        OutboxNewName = "outbox-new-name", "W11: an owed record has another name each time it is appended";
        TransactionOfCaller = "transaction-of-caller", "W12: a write's transaction runs in the caller's future, on a connection that goes back to the pool";
        KeepHalf = "keep-half", "a transaction that lost a lock (1205) commits what it has";
        PointerFirst = "pointer-first", "W13: a model is published before its file is whole";
        NoTombstone = "no-tombstone", "erasure leaves no tombstone";
        OutageBuries = "outage-buries", "a store that is away sends good events to the dead letters";
    }
}
