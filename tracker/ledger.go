package tracker

import "time"

// Bounds of a ledger: what a session can gain by waiting longer is worth less
// than the memory.
const (
	ledgerTime = time.Hour
	ledgerSize = 100_000
)

// ledger remembers sessions that are not there any more.
type ledger struct{ entries map[string]entry }

type entry struct {
	account account
	until   time.Time
}

func newLedger() ledger { return ledger{map[string]entry{}} }

// put remembers a session. A full ledger forgets an arbitrary one: sessions
// are random, so nobody can choose which.
func (l *ledger) put(session string, a account, now time.Time) {
	if len(l.entries) >= ledgerSize {
		for s := range l.entries {
			delete(l.entries, s)
			break
		}
	}
	l.entries[session] = entry{a, now.Add(ledgerTime)}
}

// take gives a session's account back and forgets it.
func (l *ledger) take(session string) (account, bool) {
	e, ok := l.entries[session]
	delete(l.entries, session)
	return e.account, ok
}

func (l *ledger) has(session string) bool {
	_, ok := l.entries[session]
	return ok
}

func (l *ledger) expire(now time.Time) {
	for s, e := range l.entries {
		if now.After(e.until) {
			delete(l.entries, s)
		}
	}
}
