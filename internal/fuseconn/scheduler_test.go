package fuseconn

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestOneProcessorStaysFree: there are more processors of the scheduler than
// threads that wait in the kernel, also where one was all that there was.
func TestOneProcessorStaysFree(t *testing.T) {
	before := runtime.GOMAXPROCS(1)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	keepOneFree(2)
	assert.Equal(t, 3, runtime.GOMAXPROCS(0))
	keepOneFree(1)
	assert.Equal(t, 3, runtime.GOMAXPROCS(0), "never fewer")
}
