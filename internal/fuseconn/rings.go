package fuseconn

import "time"

// rings are the queues of a connection. A nil *rings has none.
type rings struct {
	queues  []*queue
	serving bool // register was called
}

// newRings makes a ring with its buffers for each of n processors, or none: each
// on the thread that will serve it, which waits for register or abandon.
func newRings(c *Conn, n, depth, maxWrite int) (*rings, error) {
	r := &rings{}
	for id := range n {
		q := newQueue(c, id)
		r.queues = append(r.queues, q)
		go q.run(depth, maxWrite)
	}
	var failed error
	for _, q := range r.queues {
		if err := <-q.prepared; err != nil {
			failed = err
		}
	}
	if failed != nil {
		r.abandon()
		return nil, explainRing(failed)
	}
	return r, nil
}

// register gives the rings to the kernel, which uses them as soon as it has one
// of each queue. If it refuses one it uses none.
func (r *rings) register() (failed error) {
	r.serving = true
	for _, q := range r.queues {
		q.conn.left.Add(1)
		q.begin <- struct{}{}
	}
	for _, q := range r.queues {
		if err := <-q.registered; err != nil {
			failed = explainRing(err)
		}
	}
	return failed
}

// abandon ends the threads of rings that the kernel has not been given.
func (r *rings) abandon() {
	if r == nil {
		return
	}
	for _, q := range r.queues {
		close(q.begin)
		<-q.gone
	}
}

// close ends the threads and waits for them, for as long as grace.
func (r *rings) close(grace time.Duration) {
	if r == nil {
		return
	}
	if !r.serving {
		r.abandon()
		return
	}
	late := time.After(grace)
	for _, q := range r.queues {
		q.close()
	}
	for _, q := range r.queues {
		select {
		case <-q.gone:
		case <-late:
			return
		}
	}
}

// count is the number of queues.
func (r *rings) count() int {
	if r == nil {
		return 0
	}
	return len(r.queues)
}

// busy says whether a request is being handled.
func (r *rings) busy() bool {
	if r == nil {
		return false
	}
	for _, q := range r.queues {
		if q.busy.Load() > 0 {
			return true
		}
	}
	return false
}

// ofThread finds the queue that a thread serves.
func (r *rings) ofThread(tid int) *queue {
	if r == nil {
		return nil
	}
	for _, q := range r.queues {
		if q.tid == tid {
			return q
		}
	}
	return nil
}
