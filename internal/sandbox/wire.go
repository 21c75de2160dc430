package sandbox

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// kind names a message.
type kind string

const (
	// Down, from F to D and from D to I.
	kindSpec    kind = "spec"    // first message: what to do
	kindSignal  kind = "signal"  // F got Signal; from D, a SIGCONT is for the end of Stop
	kindDeliver kind = "deliver" // the command is to get Signal, which it has not had

	// Between D and F. D asks after a stop whether F runs again: F answers with the same Stop, unless it is stopped.
	kindAsk  kind = "ask"  // from D
	kindRuns kind = "runs" // from F

	// Up, from I to D.
	kindStopped   kind = "stopped"   // the command was stopped for the Stop-th time
	kindContinued kind = "continued" // the command runs again

	// Up, from I to D and from D to F.
	kindStarted kind = "started" // the command runs; from D, PID is I as F sees it
	kindExited  kind = "exited"  // the command ended with Wait
	kindNote    kind = "note"    // Text is worth knowing
	kindFailed  kind = "failed"  // Failure; the end follows
	kindDone    kind = "done"    // from D: wiped; Text is the report
)

// message is one line on a link.
type message struct {
	Kind    kind        `json:"kind"`
	Signal  unix.Signal `json:"signal,omitempty"`
	PID     int         `json:"pid,omitempty"`
	Stop    int         `json:"stop,omitempty"` // number of a stop of the command
	Wait    uint32      `json:"wait,omitempty"` // wait status, wait(2)
	Text    string      `json:"text,omitempty"`
	Failure *Error      `json:"failure,omitempty"`
	Spec    *spec       `json:"spec,omitempty"`
}

// spec tells D and I what to do. The command's arguments and environment are D's and I's own, so their size and bytes
// are the kernel's business.
type spec struct {
	Options    json.RawMessage `json:"options"`    // for the server, opaque here
	Program    raw             `json:"program"`    // the command's file, found in the front
	Covers     []raw           `json:"covers"`     // directories to mount over; the first one is TMPDIR
	Sockets    []raw           `json:"sockets"`    // let through from below the covers
	Hidden     []raw           `json:"hidden"`     // folders of ours that the command must not enter
	Stages     []raw           `json:"stages"`     // where D may mount; the first that can be made
	Staged     raw             `json:"staged"`     // where D has mounted
	Inherited  []int           `json:"inherited"`  // descriptors from 3 up that are the command's
	Ignored    []unix.Signal   `json:"ignored"`    // signals that the caller ignores
	Privileged bool            `json:"privileged"` // no user namespace: the command keeps its capabilities
}

// raw is a path. Paths are bytes, JSON strings are not, so it travels as base64.
type raw string

// MarshalJSON implements json.Marshaler.
func (r raw) MarshalJSON() ([]byte, error) { return json.Marshal([]byte(r)) }

// UnmarshalJSON implements json.Unmarshaler.
func (r *raw) UnmarshalJSON(data []byte) error {
	var b []byte
	err := json.Unmarshal(data, &b)
	*r = raw(b)
	return err
}

func raws(paths []string) []raw {
	out := make([]raw, 0, len(paths))
	for _, p := range paths {
		out = append(out, raw(p))
	}
	return out
}

// link is one end of a socket pair between two of our processes. The peer is this program: it is trusted.
type link struct {
	file *os.File
	dec  *json.Decoder

	mu  sync.Mutex
	enc *json.Encoder // guarded by mu
}

func newLink(fd int) (*link, error) {
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil { // so that close ends a read
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "link")
	return &link{file: f, dec: json.NewDecoder(f), enc: json.NewEncoder(f)}, nil
}

// send writes a message. A peer that is gone is noticed by whoever receives, so the error is dropped here.
func (l *link) send(m message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.enc.Encode(m)
}

// receive waits for the next message; any error means that the peer is gone.
func (l *link) receive() (message, error) {
	var m message
	err := l.dec.Decode(&m)
	return m, err
}

// receiveSpec waits for the first message.
func (l *link) receiveSpec() (*spec, error) {
	m, err := l.receive()
	if err == nil && (m.Kind != kindSpec || m.Spec == nil) {
		err = fmt.Errorf("first message is %q", m.Kind)
	}
	return m.Spec, err
}

// messages receives in the background until the peer is gone or the link is closed; then the channel is closed.
func (l *link) messages() <-chan message {
	ch := make(chan message)
	go func() {
		defer close(ch)
		for {
			m, err := l.receive()
			if err != nil {
				return
			}
			ch <- m
		}
	}()
	return ch
}

func (l *link) close() { _ = l.file.Close() }
