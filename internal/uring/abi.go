package uring

// The interface of io_uring (include/uapi/linux/io_uring.h) as far as it is
// used here.
const (
	setupCQSize       = 1 << 3
	setupDisabled     = 1 << 6
	setupSubmitAll    = 1 << 7
	setupSQE128       = 1 << 10 // FUSE's commands need the long form
	setupSingleIssuer = 1 << 12
	setupDeferTaskrun = 1 << 13

	setupFlags = setupCQSize | setupDisabled | setupSubmitAll | setupSQE128 | setupSingleIssuer | setupDeferTaskrun

	featSingleMmap = 1 << 0

	offQueues = 0
	offSlots  = 0x10000000

	enterGetevents = 1 << 0
	enterExtArg    = 1 << 3

	registerFiles        = 2
	registerRestrictions = 11
	registerEnable       = 12

	opPollAdd = 6
	opCommand = 46

	fixedFile = 1 << 0

	slotSize = 128
)

// params is struct io_uring_params.
type params struct {
	sqEntries, cqEntries      uint32
	flags                     uint32
	sqThreadCPU, sqThreadIdle uint32
	features, wqFD            uint32
	_                         [3]uint32
	sqOff                     sqOffsets
	cqOff                     cqOffsets
}

// sqOffsets is struct io_sqring_offsets.
type sqOffsets struct {
	head, tail, ringMask, ringEntries, flags, dropped, array, _ uint32
	_                                                           uint64
}

// cqOffsets is struct io_cqring_offsets.
type cqOffsets struct {
	head, tail, ringMask, ringEntries, overflow, cqes, flags, _ uint32
	_                                                           uint64
}

// waitArgument is struct io_uring_getevents_arg.
type waitArgument struct {
	sigmask     uint64
	sigmaskSize uint32
	minWait     uint32
	timespec    uint64
}

// restriction is struct io_uring_restriction.
type restriction struct {
	opcode uint16
	arg    uint8
	_      uint8
	_      [3]uint32
}

// restrictions allow two operations, on registered files only.
var restrictions = [...]restriction{
	{opcode: 1, arg: opCommand}, // IORING_RESTRICTION_SQE_OP
	{opcode: 1, arg: opPollAdd},
	{opcode: 3, arg: fixedFile}, // IORING_RESTRICTION_SQE_FLAGS_REQUIRED
}

// Operation is struct io_uring_sqe in its long form.
type Operation struct {
	opcode  uint8
	flags   uint8
	_       uint16
	file    int32
	command uint32
	_       uint32
	address uint64
	length  uint32
	events  uint32
	data    uint64
	_       uint64
	payload [80]byte
}

// Poll is the operation that completes once a file can be read. It comes back
// with data.
func Poll(file int, data uint64) *Operation {
	const readable = 1 // POLLIN
	return &Operation{opcode: opPollAdd, file: int32(file), events: readable, data: data}
}

// Command is the operation that passes a command with its payload to a file
// (IORING_OP_URING_CMD). It comes back with data.
func Command(file int, command uint32, payload [80]byte, data uint64) *Operation {
	return &Operation{opcode: opCommand, file: int32(file), command: command, payload: payload, data: data}
}

// WithMemory adds an address and a length to a command. What is there must not
// move: it is no Go memory, or kept alive and on the heap.
func (o *Operation) WithMemory(address uint64, length uint32) *Operation {
	o.address, o.length = address, length
	return o
}
