package launch

import "time"

// Failure is an error that already knows its exit code. It travels as JSON from the daemon process to the one that
// waits for it.
type Failure struct {
	Code    int      `json:"code"`
	Message string   `json:"message"` // empty: exit with Code and print nothing
	Details []string `json:"details,omitempty"`
	Hint    string   `json:"hint,omitempty"`
}

// Error returns the message.
func (f *Failure) Error() string { return f.Message }

// Started is what a daemon says of itself once the filesystem answers.
type Started struct {
	PID    int    `json:"pid"`
	Device string `json:"device"` // "major:minor" as in mountinfo(5)
	Socket string `json:"socket"` // of its control server, empty if it has none
	// At is when the daemon started, as its status says it: numbers and paths may be another's later, this may not.
	At time.Time `json:"at"`
	// Secrecy says in a line how contents are kept out of swap. Warnings are lines for whoever mounts.
	Secrecy  string   `json:"secrecy"`
	Warnings []string `json:"warnings,omitempty"`
}

// answer is the one message of a daemon.
type answer struct {
	Failure *Failure `json:"failure,omitempty"`
	Started *Started `json:"started,omitempty"`
}
