package suites

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
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

// becomeThread turns the calling thread into uid, with a umask and working
// directory of its own. The thread ends with its goroutine.
//
// setresuid of the C library and of package syscall changes every thread; the
// raw call changes one (setresuid(2), "C library/kernel differences").
func becomeThread(uid int) error {
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("unshare working directory: %w", err)
	}
	unix.Umask(0o022)
	if uid == root {
		return nil
	}
	return becomeUser(uid)
}

func becomeUser(uid int) error {
	groups := []uint32{uint32(uid), team}
	if err := setGroups(groups); err != nil {
		return err
	}
	id := uintptr(uid)
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, id, id, id); errno != 0 {
		return fmt.Errorf("setresgid: %w", errno)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, id, id, id); errno != 0 {
		return fmt.Errorf("setresuid: %w", errno)
	}
	return nil
}
