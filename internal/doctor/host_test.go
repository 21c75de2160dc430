package doctor

import (
	"encoding/json"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/moby/sys/mountinfo"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const trialWord = "doctor-trial-of-the-test"

// The test binary plays the process in the namespaces as well.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == trialWord {
		if err := RunTrial(os.Stdout); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	if len(os.Args) == 2 && os.Args[1] == hostWord {
		s, err := Host([]string{trialWord})
		if err != nil || json.NewEncoder(os.Stdout).Encode(Examine(s)) != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// hostWord makes the test binary examine the machine and print the report.
const hostWord = "doctor-host-of-the-test"

// examineAs examines this machine as a user.
func examineAs(t *testing.T, uid uint32) Report {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", hostWord)
	if int(uid) != os.Getuid() {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid, Groups: []uint32{}}}
	}
	out, err := cmd.Output()
	require.NoError(t, err)
	var r Report
	require.NoError(t, json.Unmarshal(out, &r))
	return r
}

// On the machine that runs the tests of the project, mounts work.
func TestThisMachine(t *testing.T) {
	uids := []uint32{uint32(os.Getuid())}
	if os.Getuid() == 0 {
		uids = append(uids, 1000)
	}
	for _, uid := range uids {
		r := examineAs(t, uid)
		require.Len(t, r.Checks, len(examinations))
		for _, c := range r.Checks {
			t.Logf("uid %d: %-4s %-14s %s", uid, c.Verdict, c.Name, c.Found)
			assert.NotEmpty(t, c.Found, c.Name)
		}
		assert.Equal(t, Ok, find(t, r, "/dev/fuse").Verdict)
		assert.True(t, r.Run, "uid %d: the integration tests use run", uid)
		assert.Contains(t, find(t, r, "kernel").Found, "FUSE 7.", "uid %d: INIT was read", uid)
	}
	assert.Zero(t, trialMounts(t), "the trial leaves no mount")
}

// trialMounts counts the mounts of trials that can be seen here.
func trialMounts(t *testing.T) int {
	t.Helper()
	infos, err := mountinfo.GetMounts(func(i *mountinfo.Info) (skip, stop bool) { return i.Source != trialSource, false })
	require.NoError(t, err)
	return len(infos)
}

// Outside a pid namespace of its own the trial would mount for everybody.
func TestTrialRefusesToRunOutside(t *testing.T) {
	require.Error(t, exec.Command("/proc/self/exe", trialWord).Run())
	assert.Zero(t, trialMounts(t))
}

// A helper that says nothing is a failure, not good news.
func TestMuteTrial(t *testing.T) {
	got, inside := tryNamespaces([]string{"-test.run=^$"}, os.Getuid() == 0)
	assert.True(t, got.Refused())
	assert.Zero(t, inside)
}
