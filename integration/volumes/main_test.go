//go:build linux

package volumes

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"safetmp/internal/hosttest"
)

// suite is what TestMain prepares.
var suite struct {
	*hosttest.Run

	bin    string // safetmp-volume, built with the test hooks
	driver string // name of the plugin in Docker
	group  string // cgroup of the volumes
	plugin *plugin
	docker *engine
}

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

// testMain prepares, runs and inspects what is left; it returns the exit code.
func testMain(m *testing.M) int {
	if reason := unable(); reason != "" {
		fmt.Fprintln(os.Stderr, "volumes:", reason)
		if hosttest.InCI() {
			return 1
		}
		return 0
	}
	if err := prepare(); err != nil {
		fmt.Fprintln(os.Stderr, "volumes:", err)
		return 1
	}
	code := 1
	if err := startAll(); err != nil {
		fmt.Fprintln(os.Stderr, "volumes:", err)
	} else {
		code = m.Run()
	}
	stopAll()
	_ = hosttest.LeftAfter(stopBound, suite.Base) // containers take a moment
	_ = os.RemoveAll(shortFolder())
	return suite.End(code, groupsLeft()...)
}

// unable says why there is nothing to test here, empty if there is.
func unable() string {
	if os.Geteuid() != 0 {
		return "needs root: engines run as root"
	}
	for _, program := range []string{"dockerd", "docker", "podman", "busybox", "runc"} {
		if _, err := exec.LookPath(program); err != nil {
			return program + " is missing: make setup installs it"
		}
	}
	return ""
}

// prepare makes the folder of this run, the binary and the image.
func prepare() (err error) {
	if suite.Run, err = hosttest.Begin("safetmp-vol-"); err != nil {
		return err
	}
	suite.bin = filepath.Join(suite.Base, "safetmp-volume")
	suite.driver = fmt.Sprintf("safetmp-it-%d", os.Getpid())
	suite.group = "/" + suite.driver
	build := exec.Command("go", "build", "-tags", "safetmp_testhooks", "-o", suite.bin, "./cmd/safetmp-volume")
	build.Dir = "../.."
	if report, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, report)
	}
	return makeImage(filepath.Join(suite.Base, "image"))
}

func startAll() (err error) {
	if suite.plugin, err = startPlugin(); err != nil {
		return err
	}
	suite.docker, err = startDocker()
	return err
}

// stopAll removes what tests left and ends the processes.
func stopAll() {
	if d := suite.docker; d != nil {
		if containers, _ := d.try("ps", "-aq"); containers != "" {
			_, _ = d.try(append([]string{"rm", "-f"}, strings.Fields(containers)...)...)
		}
		if volumes, _ := d.try("volume", "ls", "-q"); volumes != "" {
			_, _ = d.try(append([]string{"volume", "rm"}, strings.Fields(volumes)...)...)
		}
		d.stop(unix.SIGTERM)
		// With containers that outlive it, Docker keeps the mount that it has made of its folder.
		_ = unix.Unmount(filepath.Join(suite.Base, "docker/data"), unix.MNT_DETACH)
	}
	if p := suite.plugin; p != nil {
		p.stop(unix.SIGTERM)
	}
}

// groupsLeft lists the cgroups of this run.
func groupsLeft() (left []string) {
	for _, pattern := range []string{"/sys/fs/cgroup/memory" + suite.group + "*", "/sys/fs/cgroup" + suite.group + "*"} {
		groups, _ := filepath.Glob(pattern)
		for _, dir := range groups {
			left = append(left, "cgroup "+dir)
		}
	}
	return left
}

// stopBound is how long a server, or what it started, may take to end.
const stopBound = 30 * time.Second

// process is a server of this run.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// startProcess starts a server whose output goes to a log in base.
func startProcess(name string, env []string, args ...string) (*process, error) {
	log, err := os.OpenFile(filepath.Join(suite.Base, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p := &process{cmd: exec.Command(args[0], args[1:]...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// stop signals the server and waits for its end, in the end with SIGKILL.
func (p *process) stop(signal unix.Signal) {
	_ = p.cmd.Process.Signal(signal)
	select {
	case <-p.done:
	case <-time.After(stopBound):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// await waits until something holds, or the server has ended.
func (p *process) await(what string, holds func() bool) error {
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if holds() {
			return nil
		}
		select {
		case <-p.done:
			return errors.New(what + ": the process has ended")
		default:
		}
	}
	return errors.New(what + ": not in time")
}
