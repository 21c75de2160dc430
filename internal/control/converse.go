package control

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// converse reads one request and answers it. Whatever goes wrong ends this connection and nothing else.
func (s *Server) converse(conn *net.UnixConn, h Handler) {
	defer s.replies.Done()
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(s.timeout))
	req, err := readRequest(conn)
	if !s.begin(conn) {
		return
	}
	if err == nil && req.Op == opEvents {
		s.end() // it may last as long as the mount
		s.follow(conn)
		return
	}
	defer s.end()
	if err != nil {
		send(conn, errorReply(err))
		return
	}
	if req.Op == opFiles {
		s.sendFiles(conn, h)
		return
	}
	send(conn, perform(h, req))
}

// send writes the reply. A client that does not read it in time does not want it.
func send(conn *net.UnixConn, answer reply) {
	_ = conn.SetWriteDeadline(time.Now().Add(ReplyTimeout))
	_ = json.NewEncoder(conn).Encode(answer)
}

// readRequest reads one line of at most MaxRequest bytes.
func readRequest(conn io.Reader) (request, error) {
	line, err := bufio.NewReader(io.LimitReader(conn, MaxRequest+1)).ReadBytes('\n')
	switch {
	case len(line) > MaxRequest:
		return request{}, fmt.Errorf("request longer than %d bytes: %w", MaxRequest, unix.EMSGSIZE)
	case err != nil:
		return request{}, fmt.Errorf("no complete request: %w", unix.EBADMSG)
	}
	var req request
	decoder := json.NewDecoder(strings.NewReader(string(line)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&req); err != nil {
		return request{}, fmt.Errorf("malformed request: %w", unix.EBADMSG)
	}
	return req, nil
}

// perform asks the Handler.
func perform(h Handler, req request) (answer reply) {
	defer survive(req.Op, &answer)
	switch req.Op {
	case opStatus:
		status := h.Status()
		return reply{Status: &status}
	case opUnmount:
		report, err := h.Unmount(req.Force)
		if err != nil {
			return errorReply(err)
		}
		return reply{Report: &report}
	}
	return errorReply(fmt.Errorf("unknown request %.32q: %w", req.Op, unix.EOPNOTSUPP))
}

// survive answers a panic of the Handler, which is a bug of ours and must not take the mount with it. It is deferred.
func survive(op string, answer *reply) {
	if recover() != nil {
		slog.Error("panic while answering a control request", "operation", op, "stack", string(debug.Stack()))
		*answer = errorReply(fmt.Errorf("internal error: %w", unix.EIO))
	}
}
