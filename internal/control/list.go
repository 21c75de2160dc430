package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"
	"unicode/utf8"
)

// Sizes of the buffer through which a list of files is sent, in bytes. An entry takes less than listRoom whatever its
// names are.
const (
	listBuffer = 64 << 10
	listRoom   = 8 << 10
)

// sendFiles answers opFiles. Package json would leave the names in buffers that it keeps for later; they go through one
// of ours, which is overwritten.
func (s *Server) sendFiles(conn *net.UnixConn, h Handler) {
	s.filesMu.Lock()
	defer s.filesMu.Unlock()
	files, wipe, failed := askFiles(h)
	if failed.Error != nil {
		send(conn, failed)
		return
	}
	defer wipe()
	_ = conn.SetWriteDeadline(time.Now().Add(ReplyTimeout))
	_ = writeFiles(conn, files)
}

// askFiles asks the Handler.
func askFiles(h Handler) (files []File, wipe func(), failed reply) {
	defer survive(opFiles, &failed)
	files, wipe = h.Files()
	return files, wipe, reply{}
}

// writeFiles writes the reply as json.Encoder would. A client that does not read it in time does not want it.
func writeFiles(conn net.Conn, files []File) error {
	kept := files[:min(len(files), MaxFiles)]
	buf := make([]byte, 0, listBuffer)
	defer func() { clear(buf[:cap(buf)]) }()
	buf = append(buf, `{"files":[`...)
	for i, f := range kept {
		if i > 0 {
			buf = append(buf, ',')
		}
		var err error
		if buf, err = appendFile(buf, f); err != nil {
			return err
		}
		if len(buf) > listBuffer-listRoom {
			if _, err := conn.Write(buf); err != nil {
				return err
			}
			buf = buf[:0]
		}
	}
	buf = append(buf, ']')
	if more := len(files) - len(kept); more > 0 {
		buf = fmt.Appendf(buf, `,"more":%d`, more)
	}
	_, err := conn.Write(append(buf, '}', '\n'))
	return err
}

// nameless is how package json begins a File without names.
var nameless = []byte(`{"assigned":""`)

// appendFile appends what package json makes of a File, which does not see the names.
func appendFile(buf []byte, f File) ([]byte, error) {
	rest := f
	rest.Assigned, rest.Requested = "", ""
	text, err := json.Marshal(rest)
	if err != nil {
		return buf, err
	}
	text, ok := bytes.CutPrefix(text, nameless)
	if !ok {
		return buf, errors.New("a file does not begin with its assigned name")
	}
	buf = appendText(append(buf, `{"assigned":`...), f.Assigned)
	if f.Requested != "" {
		buf = appendText(append(buf, `,"requested":`...), f.Requested)
	}
	return append(buf, text...), nil
}

// appendText appends a JSON string. What is not UTF-8 becomes U+FFFD.
func appendText(buf []byte, text string) []byte {
	const hex = "0123456789abcdef"
	buf = append(buf, '"')
	for _, r := range text {
		switch {
		case r < ' ':
			buf = append(buf, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		case r == '"' || r == '\\':
			buf = append(buf, '\\', byte(r))
		default:
			buf = utf8.AppendRune(buf, r)
		}
	}
	return append(buf, '"')
}
