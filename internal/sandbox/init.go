package sandbox

import (
	"os"

	"golang.org/x/sys/unix"
)

// Init is I: it is called with the number of its link and the command's arguments in a process that Daemon started,
// builds the command's view, starts the command and follows it to its end. When it returns the process must exit; the
// kernel then kills what is left in the pid namespace.
func Init(fd int, args []string) error {
	up, s, err := adopt(fd)
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
	letGo(s.Inherited, 0, 1)
	_ = os.Chdir("/")
	c.follow(up)
	return nil
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
	return startCommand(launch{
		program:      string(s.Program),
		args:         args,
		env:          environment(place),
		mask:         s.Mask,
		capabilities: s.Privileged,
	})
}

// follow reports what becomes of the command and hands signals to it, until it ends or D is gone.
func (c *command) follow(up *link) {
	changes, orders := c.watch(), up.messages()
	for {
		select {
		case ch := <-changes:
			if c.report(up, ch.status) {
				return
			}
		case m, ok := <-orders:
			if !ok {
				return
			}
			if m.Kind == kindSignal {
				c.deliver(m.Signal)
			}
		}
	}
}

// report tells D of a change and whether it was the last one.
func (c *command) report(up *link, status unix.WaitStatus) (ended bool) {
	switch {
	case status.Stopped():
		c.stopped = true
		up.send(message{Kind: kindStopped, Signal: status.StopSignal()})
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
