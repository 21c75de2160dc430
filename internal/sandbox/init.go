package sandbox

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Init is I: it is called with the number of its link and the command's arguments in a process that Daemon started,
// builds the command's view, starts the command and follows it to its end. When it returns the process must exit; the
// kernel then kills what is left in the pid namespace.
func Init(fd int, args []string) error {
	up, s, signals, err := adopt(fd)
	if err != nil {
		return failed("starting init", err)
	}
	defer up.close()
	c, err := prepare(up, s, args)
	if err != nil {
		up.send(message{Kind: kindFailed, Failure: failed("preparing the command's view", err)})
		return nil
	}
	up.send(message{Kind: kindStarted})
	drain(signals) // the command has not had them
	letGo(s.Inherited, 0, 1)
	_ = os.Chdir("/")
	c.follow(up, signals)
	return nil
}

// drain empties a channel.
func drain(signals <-chan os.Signal) {
	for {
		select {
		case <-signals:
		default:
			return
		}
	}
}

// prepare builds the view and starts the command in it.
func prepare(up *link, s *spec, args []string) (*command, error) {
	v := view{staged: string(s.Staged), covers: paths(s.Covers), sockets: paths(s.Sockets), hidden: paths(s.Hidden)}
	place, notes, err := v.assemble()
	if err != nil {
		return nil, err
	}
	for _, text := range notes {
		up.send(message{Kind: kindNote, Text: text})
	}
	return startCommand(s, args, place)
}

// follow reports what becomes of the command and hands signals to it, until it ends or D is gone.
func (c *command) follow(up *link, signals chan os.Signal) {
	changes, orders, w := c.watch(), up.messages(), newWitness()
	for {
		select {
		case ch := <-changes:
			if c.report(up, ch.status) {
				return
			}
			w.settle(c.stopped)
		case m, ok := <-orders:
			if !ok {
				return
			}
			c.obey(m, w)
		case s := <-signals:
			c.notice(s.(unix.Signal), w)
		case <-after(w.next(time.Now())):
			c.decide(w, signals)
		}
	}
}

// notice takes a signal that I got.
func (c *command) notice(s unix.Signal, w *witness) {
	if s != marker && w.got(s) {
		c.deliver(s, true)
	}
}

// decide gives the command what was sent to F alone.
func (c *command) decide(w *witness, signals chan os.Signal) {
	if !w.isDue(time.Now()) {
		return
	}
	for _, s := range collect(signals) {
		c.notice(s, w)
	}
	for _, s := range w.due(time.Now()) {
		if pending(s) {
			w.told(s, time.Now()) // I is late, not left out
		} else {
			c.deliver(s, false)
		}
	}
}

// after is time.After, except that a negative time never comes.
func after(d time.Duration) <-chan time.Time {
	if d < 0 {
		return nil
	}
	return time.After(d)
}

// obey does what D asks for.
func (c *command) obey(m message, w *witness) {
	switch m.Kind {
	case kindDeliver:
		c.deliver(m.Signal, false)
	case kindSignal:
		if m.Signal != unix.SIGCONT || c.stopped && m.Stop == c.stops {
			c.hand(m.Signal, w)
		}
	}
}

// hand gives the command a signal that F got, unless it was sent to the group and the command has had it.
func (c *command) hand(s unix.Signal, w *witness) {
	if w.told(s, time.Now()) {
		c.deliver(s, true)
	}
}

// report tells D of a change and whether it was the last one.
func (c *command) report(up *link, status unix.WaitStatus) (ended bool) {
	switch {
	case status.Stopped():
		c.stopped = true
		c.stops++
		up.send(message{Kind: kindStopped, Stop: c.stops})
	case status.Continued():
		c.stopped = false
		up.send(message{Kind: kindContinued})
	default:
		up.send(message{Kind: kindExited, Wait: uint32(status)})
		return true
	}
	return false
}

func paths(list []raw) []string {
	out := make([]string, 0, len(list))
	for _, r := range list {
		out = append(out, string(r))
	}
	return out
}
