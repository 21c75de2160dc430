package sessions

import (
	"sync"

	"golang.org/x/sys/unix"
)

// scansToEnd is how many readings of /proc in a row must show nobody of a session:
// one may miss a process that forked behind its back.
const scansToEnd = 2

// Tracker knows the sessions that it was asked for. Its methods may be called
// concurrently.
type Tracker struct {
	mu    sync.Mutex
	next  uint64              // guarded by mu
	bySID map[int]*session    // guarded by mu; those that have not ended
	byID  map[uint64]*session // guarded by mu; the same
}

// session is one session that had not ended when it was last looked at.
type session struct {
	id  uint64 // immutable
	sid int    // immutable

	// The fields below are guarded by Tracker.mu.

	leader  uint64  // when the leader was started, 0 if it had gone before
	witness process // was of the session when it was last looked at
}

// New returns a Tracker that knows no session.
func New() *Tracker {
	return &Tracker{bySID: map[int]*session{}, byID: map[uint64]*session{}}
}

// Of returns the id of the session of a process or thread, 0 if that cannot be
// seen: it has gone, or is in a pid namespace beside ours.
func (t *Tracker) Of(pid uint32) uint64 {
	if pid == 0 {
		return 0
	}
	sid, err := unix.Getsid(int(pid))
	if err != nil || sid <= 0 {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.bySID[sid]; s != nil && !s.replaced() {
		return s.id
	}
	return t.learn(int(pid), sid)
}

// replaced says whether the number of a session belongs to another one by now:
// the kernel gives it to a new process only once nobody has it any more.
//
// Preconditions: Tracker.mu is held.
func (s *session) replaced() bool {
	p, ok := look(s.sid)
	return ok && p.start != s.leader
}

// learn notes a session that is not known yet, in the place of one that had its
// number.
//
// Preconditions: t.mu is held.
func (t *Tracker) learn(pid, sid int) uint64 {
	witness, ok := look(pid)
	if !ok || witness.session != sid {
		return 0
	}
	t.forget(t.bySID[sid])
	t.next++
	s := &session{id: t.next, sid: sid, witness: witness}
	if leader, ok := look(sid); ok {
		s.leader = leader.start
	}
	t.bySID[sid], t.byID[s.id] = s, s
	return s.id
}

// forget takes out a session, which makes it one that has ended.
//
// Preconditions: t.mu is held.
func (t *Tracker) forget(s *session) {
	if s != nil {
		delete(t.bySID, s.sid)
		delete(t.byID, s.id)
	}
}

// Ended says whether a session that Of returned had ended at the last Poll.
func (t *Tracker) Ended(id uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return id != 0 && t.byID[id] == nil
}

// Poll looks at every session.
func (t *Tracker) Poll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	var lost []*session
	for _, s := range t.byID {
		switch {
		case s.replaced():
			t.forget(s)
		case !s.seen():
			lost = append(lost, s)
		}
	}
	for range scansToEnd {
		if len(lost) == 0 {
			return
		}
		lost = missing(lost)
	}
	for _, s := range lost {
		t.forget(s)
	}
}

// seen says whether the leader or the process that was last known to be of the
// session still is.
//
// Preconditions: Tracker.mu is held.
func (s *session) seen() bool {
	if p, ok := look(s.sid); ok && !p.dead {
		return true
	}
	p, ok := look(s.witness.pid)
	return ok && !p.dead && p.start == s.witness.start && p.session == s.sid
}

// missing returns those sessions of which no process is found; the others get a
// new witness.
//
// Preconditions: Tracker.mu is held.
func missing(lost []*session) []*session {
	found, ok := everybody()
	if !ok {
		return nil
	}
	var still []*session
	for _, s := range lost {
		if p, ok := found[s.sid]; ok {
			s.witness = p
		} else {
			still = append(still, s)
		}
	}
	return still
}
