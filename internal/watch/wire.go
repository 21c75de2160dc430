package watch

import (
	"errors"

	"golang.org/x/sys/unix"

	"safetmp/internal/mount"
)

// One packet is one message: a byte that says what, and text. Every message of the daemon is answered by one packet.
const (
	askUnmount = 'u' // unmount if nobody uses it
	askForce   = 'f' // abort the connection and detach
	tellSocket = 's' // the text is the path of the control socket, to be removed if the daemon dies
	askEnd     = 'e' // the daemon is about to exit in good order: restore, and exit

	sayDone    = 'd' // also the first packet of the watcher: it watches; the text says what could not be done
	sayBusy    = 'b' // the mount is in use
	sayGone    = 'g' // it is not mounted any more
	sayRefused = 'r' // not permitted; the text says by whom
	sayFailed  = 'x' // anything else; the text is the error
)

// packetMost bounds a packet, in bytes: a path of a socket, or an error that names a mountpoint.
const packetMost = 8 << 10

// answerOf puts the result of an unmount into a packet.
func answerOf(err error) (kind byte, text string) {
	var failure *mount.Error
	switch {
	case err == nil:
		return sayDone, ""
	case errors.Is(err, unix.EBUSY):
		return sayBusy, ""
	case errors.Is(err, mount.ErrNotSafetmp):
		return sayGone, ""
	case errors.Is(err, mount.ErrNotPermitted) && errors.As(err, &failure):
		return sayRefused, failure.Detail
	}
	return sayFailed, err.Error()
}

// errorOf is the inverse of answerOf.
func errorOf(path string, kind byte, text string) error {
	e := &mount.Error{Op: "unmount", Path: path, Detail: text}
	switch kind {
	case sayDone:
		return nil
	case sayBusy:
		e.Err = unix.EBUSY
	case sayGone:
		e.Err = mount.ErrNotSafetmp
	case sayRefused:
		e.Err = mount.ErrNotPermitted
	default:
		return errors.New(text)
	}
	return e
}
