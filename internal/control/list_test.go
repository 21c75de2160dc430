package control

import (
	"bytes"
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// written collects what is written to a connection.
type written struct {
	net.Conn
	bytes.Buffer
	most int // bytes of one write
}

func (w *written) Write(p []byte) (int, error) {
	w.most = max(w.most, len(p))
	return w.Buffer.Write(p)
}

func (w *written) Read(p []byte) (int, error) { return w.Buffer.Read(p) }

// TestFilesAreWrittenAsByJSON: our own writing means what package json's would.
func TestFilesAreWrittenAsByJSON(t *testing.T) {
	every := make([]byte, 0, 255)
	for b := 1; b < 256; b++ {
		every = append(every, byte(b))
	}
	files := []File{
		{}, {Assigned: "a"}, {Assigned: `"`, Requested: `\`}, {Assigned: "<&>", Requested: "  é 文"},
		{Assigned: string(every), Requested: "\xff\xfe", Command: `"\`, Kind: "regular", Created: time.Unix(1, 0)},
	}
	for range 1000 {
		files = append(files, File{Assigned: strings.Repeat("\x01", 255), Requested: strings.Repeat("\x02", 255), Command: strings.Repeat("\x03", 15)})
	}
	for _, n := range []int{0, 1, len(files)} {
		var w written
		require.NoError(t, writeFiles(&w, files[:n]))
		want, err := json.Marshal(reply{Files: files[:n]})
		require.NoError(t, err)
		var got, expected reply
		require.NoError(t, json.Unmarshal(w.Bytes(), &got), "%.200s", w.String())
		require.NoError(t, json.Unmarshal(want, &expected))
		if n == 0 {
			expected.Files = []File{}
		}
		assert.Equal(t, expected, got)
		assert.LessOrEqual(t, w.most, listBuffer, "the buffer never grew, which would leave a copy")
	}
}
