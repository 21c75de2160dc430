package control

import "time"

// Event is something that happened on a mount. Of the parts that are pointers it has those of its Kind; in JSON all
// fields lie side by side. Texts were chosen by the daemon or by the workload: whoever prints them to a terminal cleans
// them first.
type Event struct {
	Time time.Time `json:"time"`
	Kind EventKind `json:"event"`
	Lost uint64    `json:"lost,omitempty"` // events before this one that the follower was too slow for

	*RefusedEvent
	*RemovedEvent
	*Report // how the mount ended
}

// EventKind says what happened.
type EventKind string

// The kinds of events.
const (
	EventFollowing EventKind = "following" // the first of all: what happens from now on will be told
	EventRefused   EventKind = "refused"   // a request was refused by the policy
	EventWarned    EventKind = "warned"    // a request was let through that the policy refuses if enforced
	EventRemoved   EventKind = "removed"   // a lifetime has removed entries
	EventBusy      EventKind = "busy"      // an unmount was asked for, and the mount is in use
	EventEnded     EventKind = "ended"     // the last of all: unmounted and wiped
)

// RefusedEvent is the part of EventRefused and EventWarned.
type RefusedEvent struct {
	Rule    string `json:"rule"`
	Op      string `json:"op"`
	Errno   string `json:"errno"` // its name: "EPERM"
	Reason  string `json:"reason"`
	UID     uint32 `json:"uid"`
	PID     uint32 `json:"pid"` // in the daemon's pid namespace
	Command string `json:"command,omitempty"`
	// NameHash is a hash of the name in the request under a key that the daemon forgets when it ends: equal for equal
	// names, and no name. Name is the name itself, where the mount was made with event_names=plain. Both are empty
	// where the request names nothing.
	NameHash string `json:"name_hash,omitempty"`
	Name     string `json:"name,omitempty"`
}

// RemovedEvent is the part of EventRemoved: all that one lifetime removed at a time.
type RemovedEvent struct {
	Lifetime string `json:"lifetime"`
	Entries  uint64 `json:"entries"`
	Bytes    int64  `json:"bytes"`
}
