package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"os/signal"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The test binary plays every part: the tests start it as the front, which starts it as daemon and init, as the real
// program does; and as commands that a shell cannot express.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		if part, ok := parts[os.Args[1]]; ok {
			// As main does.
			_, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
			code := part(os.Args[2:])
			stop()
			os.Exit(code)
		}
	}
	// What our caller left open is not for the commands of the tests.
	_ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	os.Exit(m.Run())
}

// parts is filled by init: its functions reach TestMain's through exec only.
var parts map[string]func(args []string) int

func init() {
	parts = map[string]func([]string) int{
		"test-front":   playFront,
		"test-daemon":  playDaemon,
		"test-init":    playInit,
		"test-signals": playSignals,
		"test-connect": playConnect,
	}
}

// frontCall is what a test asks of the front.
type frontCall struct {
	Wish   Wish
	Stub   stubOptions
	Stages []string
	Hidden []string
}

// playFront is `safetmp run`: JSON, "--", command.
func playFront(args []string) int {
	var call frontCall
	if err := json.Unmarshal([]byte(args[0]), &call); err != nil {
		return complain(err)
	}
	c := Config{
		Args: args[2:], Env: os.Environ(), DaemonWords: []string{"test-daemon"},
		Stages: call.Stages, Hidden: call.Hidden,
		Stdio: [3]*os.File{os.Stdin, os.Stdout, os.Stderr}, Inherited: InheritedDescriptors(),
		Note: func(line string) { fmt.Fprintln(os.Stderr, "note:", line) },
	}
	var err error
	if c.Program, err = LookPath(c.Args[0], os.Getenv("PATH")); err != nil {
		return complain(err)
	}
	call.Wish.Program = c.Program
	if call.Wish.Dir, err = os.Getwd(); err != nil {
		return complain(err)
	}
	if c.Plan, err = MakePlan(call.Wish); err != nil {
		return complain(err)
	}
	if c.Plan.Warning != "" {
		fmt.Fprintln(os.Stderr, "warning:", c.Plan.Warning)
	}
	c.Options, _ = json.Marshal(call.Stub)
	result, err := Run(c)
	if result.Report != "" {
		fmt.Fprintln(os.Stderr, "report:", result.Report)
	}
	if err != nil {
		return complain(err)
	}
	if result.Interrupted {
		fmt.Fprintln(os.Stderr, "interrupted")
	}
	return result.Status
}

func complain(err error) int {
	fmt.Fprintln(os.Stderr, "error:", err)
	var e *Error
	if !errors.As(err, &e) {
		return 2
	}
	if e.Advice != "" {
		fmt.Fprintln(os.Stderr, "hint:", e.Advice)
	}
	return e.Status
}

func playDaemon(args []string) int {
	fd, _ := strconv.Atoi(args[0])
	if err := Daemon(fd, []string{"test-init"}, args[2:], startStub); err != nil {
		return complain(err)
	}
	return 0
}

func playInit(args []string) int {
	fd, _ := strconv.Atoi(args[0])
	if err := Init(fd, args[2:]); err != nil {
		return complain(err)
	}
	return 0
}

// stubOptions choose how the server in these tests behaves: a plain tmpfs instead of the filesystem.
type stubOptions struct {
	FailStart    bool
	FailServe    bool
	FailShutdown bool
	// EndFile ends the server as an unmount would, once a file of this name appears on it.
	EndFile string
}

type stub struct {
	options    stubOptions
	mountpoint string
	done       chan struct{}
}

type hintedError struct{ error }

func (hintedError) Hint() string { return "a hint" }

func startStub(options json.RawMessage, mountpoint string) (Server, error) {
	s := &stub{mountpoint: mountpoint, done: make(chan struct{})}
	if err := json.Unmarshal(options, &s.options); err != nil {
		return nil, err
	}
	if s.options.FailStart {
		return nil, hintedError{errors.New("the stub fails as asked")}
	}
	if err := unix.Mount("stub", mountpoint, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0700"); err != nil {
		return nil, err
	}
	if s.options.EndFile != "" {
		go s.endOn(mountpoint + "/" + s.options.EndFile)
	}
	return s, nil
}

func (s *stub) endOn(file string) {
	for {
		if _, err := os.Stat(file); err == nil {
			close(s.done)
			return
		}
		time.Sleep(pollPause)
	}
}

func (s *stub) Done() <-chan struct{} { return s.done }

func (s *stub) Serve() error {
	if s.options.FailServe {
		return hintedError{errors.New("the stub does not serve, as asked")}
	}
	return nil
}

func (s *stub) Shutdown() (string, error) {
	if err := unix.Unmount(s.mountpoint, 0); err != nil {
		return "", err
	}
	if s.options.FailShutdown {
		return "", errors.New("the stub did not wipe, as asked")
	}
	return "the stub has wiped", nil
}

// playSignals prints the signals it gets, until SIGUSR2.
func playSignals([]string) int {
	ch := make(chan os.Signal, 64)
	signal.Notify(ch)
	fmt.Println("ready")
	for s := range ch {
		if s == unix.SIGURG || s == unix.SIGCHLD {
			continue // Go's own
		}
		_, err := fmt.Println(unix.SignalName(s.(unix.Signal)))
		if s == unix.SIGUSR2 || err != nil { // nobody reads: SIGPIPE would go on for ever
			break
		}
	}
	return 0
}

// playConnect sends its second argument to the socket that its first one names.
func playConnect(args []string) int {
	c, err := net.Dial("unix", args[0])
	if err != nil {
		return complain(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte(args[1])); err != nil {
		return complain(err)
	}
	return 0
}
