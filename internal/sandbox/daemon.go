package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// politeEnd is how long the command may take to end by itself after a SIGTERM to D.
	politeEnd = 5 * time.Second
	// reapEnd bounds the wait for a killed pid namespace: a process in uninterruptible sleep delays it. Past it the
	// filesystem is ended under it.
	reapEnd = 10 * time.Second
)

// daemon is D. Its fields belong to the goroutine of Daemon.
type daemon struct {
	front *link
	spec  *spec
	start StartServer

	server Server
	init   *initProcess

	frontPID     int
	frontStopped bool // F was told of a stop and not yet of its end
	told         bool // F knows how the command ended, or that it failed
}

// Daemon is D: it is called with the number of its link and the command's arguments in a process that Run started, in
// namespaces of its own. initWords are the arguments that make this program call Init. When it returns everything is
// wiped, and the process must exit.
func Daemon(fd int, initWords, args []string, start StartServer) error {
	parent := os.Getppid()
	front, s, err := adopt(fd)
	if err != nil {
		return failed("starting the daemon", err)
	}
	defer front.close()
	d := &daemon{front: front, spec: s, start: start, frontPID: parent}
	// A reader of our log that has gone must not end us: Go ends a process that gets EPIPE on descriptor 2.
	signal.Notify(make(chan os.Signal, 1), unix.SIGPIPE)
	if err := d.prepare(initWords, args); err != nil {
		d.fail(err)
	} else {
		d.supervise()
	}
	d.end()
	return nil
}

// prepare makes the namespace ours, mounts and starts I.
func (d *daemon) prepare(initWords, args []string) (err error) {
	// Mounts of the host still arrive here, ours do not leave (mount_namespaces(7)).
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return d.refused("making the mounts private", err)
	}
	stage, err := stageIn(paths(d.spec.Stages))
	if err != nil {
		return err
	}
	d.spec.Staged = raw(stage)
	if d.server, err = d.start(d.spec.Options, stage); err != nil {
		return d.refused("mounting", err)
	}
	if d.init, err = startInit(d.spec, initWords, args); err != nil {
		return d.refused("starting init", err)
	}
	d.leaveJob()
	return nil
}

// refused adds the likely cause to a permission that a user namespace should give.
func (d *daemon) refused(doing string, err error) error {
	e := failed(doing, err)
	if !d.spec.Privileged && (errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES)) {
		e.Advice = UserNamespaceHint("/proc/sys")
	}
	return e
}

// leaveJob puts D in a process group of its own, so that terminal and shell leave it alone. Only now, since I is to
// inherit the job's group, and has no number for it in its own pid namespace. Signals to the job until now were not
// meant for D.
func (d *daemon) leaveJob() {
	_ = unix.Setpgid(0, 0)
	discardPending()
	letGo(d.spec.Inherited, 0, 1)
	_ = os.Chdir("/")
}

// supervise passes messages up and down until the sandbox is at its end.
func (d *daemon) supervise() {
	asked := make(chan os.Signal, 4)
	signal.Notify(asked, unix.SIGTERM, unix.SIGINT, unix.SIGHUP)
	var deadline <-chan time.Time
	orders := d.front.messages()
	for {
		select {
		case m, ok := <-orders:
			if !ok {
				return // F is gone
			}
			d.init.link.send(m)
		case m, ok := <-d.init.messages:
			if !ok {
				d.init.messages = nil // its end is reported below
			} else {
				d.tell(m)
			}
		case <-d.init.ended:
			d.drainInit()
			return
		case <-d.server.Done():
			d.fail(errors.New("the filesystem was unmounted under the command"))
			return
		case <-asked:
			d.init.link.send(message{Kind: kindSignal, Signal: unix.SIGTERM})
			deadline = time.After(politeEnd)
		case <-deadline:
			return
		}
	}
}

// drainInit tells F what I said last. If I said nothing of an end, it was killed or crashed.
func (d *daemon) drainInit() {
	if d.init.messages != nil {
		for m := range d.init.messages {
			d.tell(m)
		}
	}
	if d.told {
		return
	}
	d.front.send(message{Kind: kindNote, Text: "init of the sandbox was lost and the command killed with it: " + d.init.state.String()})
	// The kernel has killed the command with it.
	d.tell(message{Kind: kindExited, Wait: uint32(unix.SIGKILL)})
}

// tell passes a message of I's to F, and wakes F if it has mirrored a stop that is over: nobody else may do it.
func (d *daemon) tell(m message) {
	if m.Kind == kindStarted {
		m.PID = d.init.process.Pid
	}
	d.front.send(m)
	switch m.Kind {
	case kindStopped:
		d.frontStopped = true
		return
	case kindExited, kindFailed:
		d.told = true
	case kindContinued:
	default:
		return
	}
	if d.frontStopped {
		_ = unix.Kill(d.frontPID, unix.SIGCONT)
	}
	d.frontStopped = false
}

// fail tells F of a failure of ours.
func (d *daemon) fail(err error) {
	d.tell(message{Kind: kindFailed, Failure: failed("run", err)})
}

// end is the one way out: pid namespace, filesystem, report.
func (d *daemon) end() {
	if d.init != nil {
		d.init.kill()
	}
	done := message{Kind: kindDone}
	if d.server != nil {
		report, err := d.server.Shutdown()
		done.Text = report
		if err != nil {
			done.Failure = failed("wiping", err)
		}
	}
	if !d.told {
		d.tell(message{Kind: kindExited, Wait: uint32(unix.SIGKILL)})
	}
	d.front.send(done)
}

// initProcess is I, as D sees it.
type initProcess struct {
	process  *os.Process
	link     *link
	messages <-chan message

	ended chan struct{}    // closed when I, and with it the pid namespace, is gone
	state *os.ProcessState // valid once ended is closed
}

// startInit starts I in a pid and a mount namespace of its own, in D's process group.
func startInit(s *spec, words, args []string) (*initProcess, error) {
	p := &initProcess{ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The parent-death signal is bound to the thread that forked: it waits here.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		attr := &syscall.SysProcAttr{
			Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS,
			Pdeathsig:  unix.SIGKILL,
		}
		var err error
		p.process, p.link, _, err = stage(words, args, os.Environ(), [3]*os.File{os.Stdin, os.Stdout, os.Stderr}, attr)
		started <- err
		if err == nil {
			p.state, _ = p.process.Wait()
			close(p.ended)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("pid namespace: %w", err)
	}
	p.link.send(message{Kind: kindSpec, Spec: s})
	p.messages = p.link.messages()
	return p, nil
}

// kill ends the pid namespace and waits for it, within bounds.
func (p *initProcess) kill() {
	_ = p.process.Kill()
	select {
	case <-p.ended:
	case <-time.After(reapEnd):
	}
}
