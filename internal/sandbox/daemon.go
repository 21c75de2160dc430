package sandbox

import (
	"errors"
	"fmt"
	"os"
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
	front   *link
	spec    *spec
	start   StartServer
	signals chan os.Signal // to D alone; to the job until D has left it

	server Server
	init   *initProcess

	parent  *os.Process // F
	stopped bool        // the command is, and F with it
	stop    int         // number of the command's last stop
	started bool        // the command runs, or did
	told    bool        // F knows how the command ended, or that it failed
}

// Daemon is D: it is called with the number of its link and the command's arguments in a process that Run started, in
// namespaces of its own. initWords are the arguments that make this program call Init. When it returns everything is
// wiped, and the process must exit.
func Daemon(fd int, initWords, args []string, start StartServer) error {
	front, s, signals, err := adopt(fd)
	if err != nil {
		return failed("starting the daemon", err)
	}
	defer front.close()
	d := &daemon{front: front, spec: s, start: start, signals: signals}
	// A pidfd, so no other process is meant if F has gone by now.
	if d.parent, err = os.FindProcess(os.Getppid()); err != nil {
		return failed("starting the daemon", err)
	}
	if err := d.prepare(initWords, args); err != nil {
		d.fail(err)
	} else {
		d.supervise()
	}
	d.end()
	return nil
}

// prepare makes the namespace ours, mounts, and serves while I starts, which takes about as long.
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
	if err := d.startInit(initWords, args); err != nil {
		return d.refused("starting init", err)
	}
	letGo(d.spec.Inherited, 0, 1)
	_ = os.Chdir("/")
	if err := d.server.Serve(); err != nil {
		return d.refused("mounting", err)
	}
	d.init.link.send(message{Kind: kindSpec, Spec: d.spec})
	return nil
}

// startInit starts I and leaves the job. I has to be in the job's process group, for which there is no number in its own
// pid namespace, so it can only inherit it; D is born in it for that reason. What terminal and shell sent until now was
// not meant for D, and in a session of its own it gets no more. In another group of the old session D would do harm:
// with a parent there, I would keep the job from being orphaned when the shell dies, and the kernel would not end it
// if it is stopped (setpgid(2), exit(3)).
func (d *daemon) startInit(words, args []string) (err error) {
	d.init, err = startInit(words, args)
	_, _ = unix.Setsid()
	drain(d.signals)
	return err
}

// refused adds the likely cause to a permission that a user namespace should give.
func (d *daemon) refused(doing string, err error) error {
	e := failed(doing, err)
	if !d.spec.Privileged && (errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES)) {
		e.Advice = UserNamespaceHint("/proc/sys")
	}
	return e
}

// supervise passes messages up and down until the sandbox is at its end.
func (d *daemon) supervise() {
	var deadline <-chan time.Time
	orders := d.front.messages()
	for {
		select {
		case m, ok := <-orders:
			if !ok {
				return // F is gone
			}
			d.hear(m)
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
		case s := <-d.signals:
			if s == unix.SIGTERM || s == unix.SIGINT || s == unix.SIGHUP {
				d.init.link.send(message{Kind: kindDeliver, Signal: unix.SIGTERM})
				deadline = time.After(politeEnd)
			}
		case <-deadline:
			return
		}
	}
}

// hear passes on what F says. That F got a SIGCONT says little: it may be the one that was sent here at the last stop,
// reported late, and believing it would undo the next stop. So F is asked: a process that is stopped does not answer.
func (d *daemon) hear(m message) {
	switch {
	case m.Kind == kindSignal && m.Signal == unix.SIGCONT:
		if d.stopped {
			d.front.send(message{Kind: kindAsk, Stop: d.stop})
		}
	case m.Kind == kindRuns:
		if d.stopped && m.Stop == d.stop {
			d.stopped = false // somebody else had F go on
			d.init.link.send(message{Kind: kindSignal, Signal: unix.SIGCONT, Stop: m.Stop})
		}
	default:
		d.init.link.send(m)
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
	if !d.started {
		d.fail(errors.New("init of the sandbox was lost: " + d.init.state.String()))
		return
	}
	// The kernel has killed the command with it.
	d.front.send(message{Kind: kindNote, Text: "init of the sandbox was lost and the command killed with it: " + d.init.state.String()})
	d.tell(message{Kind: kindExited, Wait: uint32(unix.SIGKILL)})
}

// tell passes a message of I's to F. A stop of the command is D's to mirror: only D can tell F to go on, and a
// SIGSTOP that comes while F is stopped already, since the terminal stopped the whole job, leaves no trace: SIGCONT
// removes it from the queue (signal(7)).
func (d *daemon) tell(m message) {
	switch m.Kind {
	case kindStopped:
		d.stop = m.Stop
		d.mirror(true)
		return
	case kindContinued:
		d.mirror(false)
		return
	case kindStarted:
		d.started = true
		m.PID = d.init.process.Pid
	case kindExited, kindFailed:
		d.told = true
		d.mirror(false)
	}
	d.front.send(m)
}

// mirror stops F, or has it go on if it was stopped here.
func (d *daemon) mirror(stop bool) {
	switch {
	case stop:
		_ = d.parent.Signal(unix.SIGSTOP)
	case d.stopped:
		_ = d.parent.Signal(unix.SIGCONT)
	}
	d.stopped = stop
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

// startInit starts I in a pid and a mount namespace of its own, in D's process group. It waits for its spec.
func startInit(words, args []string) (*initProcess, error) {
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
		p.process, p.link, err = stage(words, args, os.Environ(), [3]*os.File{os.Stdin, os.Stdout, os.Stderr}, attr)
		started <- err
		if err == nil {
			p.state, _ = p.process.Wait()
			close(p.ended)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("pid namespace: %w", err)
	}
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
