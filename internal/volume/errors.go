package volume

import "errors"

// Causes that callers tell apart.
var (
	// ErrName: no volume may have this name.
	ErrName = errors.New("not a name for a volume: 1 to 128 letters, digits, dots, dashes and underscores, the first a letter or digit")
	// ErrNotFound: there is no volume of this name.
	ErrNotFound = errors.New("no such volume")
	// ErrInUse: the volume has users.
	ErrInUse = errors.New("the volume is in use")
	// ErrDiffers: there is a volume of this name with other options, or at another place.
	ErrDiffers = errors.New("there is a volume of this name that differs")
	// ErrLimit: one volume more, or one of this size, is more than this machine was told to hold.
	ErrLimit = errors.New("the limit of this machine is reached")
	// ErrLost: the daemon of the volume was killed, and its files are gone.
	ErrLost = errors.New("the volume's daemon has died and its files are lost; stop the containers that use it")
	// ErrTarget: the directory to mount on is not where it may be.
	ErrTarget = errors.New("not a place to mount on")
)
