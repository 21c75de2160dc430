package suites

import (
	"golang.org/x/sys/unix"

	"safetmp/internal/hosttest"
)

// The users that tests act as. No account has to exist: ids are enough.
const (
	root  = 0
	alice = 1000
	bob   = 1001
	// team is a group that alice and bob both have beside their own.
	team = 2000
)

// actor makes system calls as one user, on a thread of its own.
type actor struct {
	uid  int
	work chan func()
	done chan struct{}
}

// newActor starts a thread that acts as uid until it is dismissed.
func newActor(uid int) (*actor, error) {
	a := &actor{uid: uid, work: make(chan func()), done: make(chan struct{})}
	ready := make(chan error)
	go func() {
		err := becomeThread(uid)
		ready <- err
		if err != nil {
			return
		}
		for job := range a.work {
			job()
			a.done <- struct{}{}
		}
	}()
	return a, <-ready
}

// do runs job as the actor and waits for it.
func (a *actor) do(job func()) {
	a.work <- job
	<-a.done
}

// dismiss ends the actor's thread.
func (a *actor) dismiss() { close(a.work) }

// act runs job once as uid.
func act(uid int, job func() error) error {
	a, err := newActor(uid)
	if err != nil {
		return err
	}
	defer a.dismiss()
	a.do(func() { err = job() })
	return err
}

// becomeThread turns the calling thread into uid and a member of team, with a
// working directory and the usual umask of its own. The thread ends with its
// goroutine.
func becomeThread(uid int) error {
	if err := hosttest.Become(uid, uid, team); err != nil {
		return err
	}
	unix.Umask(0o022)
	return nil
}
