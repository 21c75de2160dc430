package memstore_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"safetmp/memstore"
)

const page = memstore.PageSize

// modelBlob is what a blob should be, in the plainest form: a map of pages and a size.
type modelBlob struct {
	pages map[int64]*[page]byte
	size  int64
}

func (m *modelBlob) write(src []byte, off int64) {
	m.allocate(off, int64(len(src)))
	for i := range src {
		at := off + int64(i)
		m.pages[at/page][at%page] = src[i]
	}
	m.size = max(m.size, off+int64(len(src)))
}

func (m *modelBlob) read(n int, off int64) []byte {
	dst := make([]byte, max(min(int64(n), m.size-off), 0))
	for i := range dst {
		at := off + int64(i)
		if p := m.pages[at/page]; p != nil {
			dst[i] = p[at%page]
		}
	}
	return dst
}

func (m *modelBlob) allocate(off, n int64) {
	for i := off / page; i <= (off+n-1)/page; i++ {
		if m.pages[i] == nil {
			m.pages[i] = new([page]byte)
		}
	}
}

// zero clears [off, off+n); with punch pages that lie in it whole go.
func (m *modelBlob) zero(off, n int64, punch bool) {
	for i, p := range m.pages {
		start := i * page
		if punch && start >= off && start+page <= off+n && start+page > 0 {
			delete(m.pages, i)
			continue
		}
		if start < off+n && start >= off-page {
			lo, hi := max(off-start, 0), min(off+n-start, page)
			if lo < hi {
				clear(p[lo:hi])
			}
		}
	}
}

func (m *modelBlob) truncate(size int64) {
	if size <= m.size {
		for i, p := range m.pages {
			switch {
			case i*page >= size:
				delete(m.pages, i)
			case i == size/page:
				clear(p[size%page:])
			}
		}
	}
	m.size = size
}

// seek returns -1 for ErrNoData.
func (m *modelBlob) seek(off int64, data bool) int64 {
	if off >= m.size {
		return -1
	}
	if !data {
		for i := off / page; ; i++ {
			switch {
			case i > (m.size-1)/page:
				return m.size
			case m.pages[i] == nil:
				return max(off, i*page)
			}
		}
	}
	best := int64(-1)
	for i := range m.pages {
		if i >= off/page && i*page < m.size && (best < 0 || i < best) {
			best = i
		}
	}
	if best < 0 {
		return -1
	}
	return max(off, best*page)
}

// borders are the offsets where something changes: pages, leaves (2 MiB), directories (1 GiB, 512 GiB, ...), the end.
var borders = []int64{0, page, 2 * page, 4 * page, 64 * page, 2 << 20, 4 << 20, 1 << 30, 512 << 30, 1 << 48, 1 << 57, memstore.MaxSize}

// offsets draws offsets, mostly near a border.
func offsets() *rapid.Generator[int64] {
	return rapid.Custom(func(t *rapid.T) int64 {
		off := rapid.SampledFrom(borders).Draw(t, "border") + rapid.Int64Range(-3*page, 3*page).Draw(t, "distance")
		if off < 0 && off > -4*page {
			return -off // below zero; the sum above may also have wrapped around at the other end
		}
		if off < 0 {
			return memstore.MaxSize - rapid.Int64Range(0, 3*page).Draw(t, "fromEnd")
		}
		return off
	})
}

func lengths() *rapid.Generator[int64] {
	return rapid.OneOf(rapid.Int64Range(1, 20), rapid.Int64Range(page-2, page+2), rapid.Int64Range(1, 6*page), rapid.Int64Range(1, 3<<20))
}

// machine drives some blobs and their models in step.
type machine struct {
	s      *memstore.Store
	blobs  []*memstore.Blob
	models []*modelBlob
	round  byte
}

func (m *machine) pick(t *rapid.T) (*memstore.Blob, *modelBlob) {
	i := rapid.IntRange(0, len(m.blobs)-1).Draw(t, "blob")
	return m.blobs[i], m.models[i]
}

// span draws a range that ends at MaxSize at most.
func span(t *rapid.T) (off, n int64) {
	off = offsets().Draw(t, "off")
	n = min(lengths().Draw(t, "n"), memstore.MaxSize-off)
	return off, n
}

func (m *machine) content(n int64) []byte {
	m.round++
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i) ^ byte(i>>8) ^ m.round | 1
	}
	return p
}

func (m *machine) Write(t *rapid.T) {
	b, model := m.pick(t)
	off, n := span(t)
	src := m.content(n)
	want := bytes.Clone(src)
	got, err := b.WriteAt(src, off)
	if n == 0 {
		require.Zero(t, got)
		return
	}
	require.NoError(t, err)
	require.Equal(t, int(n), got)
	require.Equal(t, want, src, "WriteAt changed its argument")
	model.write(src, off)
}

func (m *machine) Read(t *rapid.T) {
	b, model := m.pick(t)
	off, n := span(t)
	dst := bytes.Repeat([]byte{0xee}, int(n))
	got, err := b.ReadAt(dst, off)
	require.NoError(t, err)
	want := model.read(int(n), off)
	require.Equal(t, len(want), got)
	require.True(t, bytes.Equal(want, dst[:got]), "contents differ at %d+%d", off, n)
	require.Equal(t, -1, slices.IndexFunc(dst[got:], func(c byte) bool { return c != 0xee }), "ReadAt wrote beyond what it returned")
}

func (m *machine) Truncate(t *rapid.T) {
	b, model := m.pick(t)
	size := rapid.OneOf(offsets(), rapid.Just(model.size), rapid.Int64Range(0, max(model.size, 1))).Draw(t, "size")
	require.NoError(t, b.Truncate(size))
	model.truncate(size)
}

func (m *machine) Allocate(t *rapid.T) {
	b, model := m.pick(t)
	off, n := span(t)
	keep := rapid.Bool().Draw(t, "keepSize")
	err := b.Allocate(off, n, keep)
	if n == 0 {
		require.ErrorIs(t, err, memstore.ErrInvalid)
		return
	}
	require.NoError(t, err)
	model.allocate(off, n)
	if !keep {
		model.size = max(model.size, off+n)
	}
}

func (m *machine) Zero(t *rapid.T) {
	b, model := m.pick(t)
	off, n := span(t)
	keep := rapid.Bool().Draw(t, "keepSize")
	if b.Zero(off, n, keep) != nil {
		require.Zero(t, n)
		return
	}
	model.allocate(off, n)
	model.zero(off, n, false)
	if !keep {
		model.size = max(model.size, off+n)
	}
}

func (m *machine) Punch(t *rapid.T) {
	b, model := m.pick(t)
	off, n := span(t)
	if far := rapid.Bool().Draw(t, "far"); far {
		n = rapid.Int64Range(0, memstore.MaxSize-off).Draw(t, "farN")
	}
	if b.Punch(off, n) != nil {
		require.Zero(t, n)
		return
	}
	model.zero(off, n, true)
}

func (m *machine) Seek(t *rapid.T) {
	b, model := m.pick(t)
	off := offsets().Draw(t, "off")
	for _, data := range []bool{true, false} {
		got, err := b.SeekHole(off)
		if data {
			got, err = b.SeekData(off)
		}
		want := model.seek(off, data)
		if want < 0 {
			require.ErrorIs(t, err, memstore.ErrNoData)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, want, got, "data %v from %d", data, off)
	}
}

func (m *machine) Free(t *rapid.T) {
	b, model := m.pick(t)
	b.Free()
	require.ErrorIs(t, b.Truncate(0), memstore.ErrInvalid)
	i := slices.Index(m.blobs, b)
	m.blobs[i] = m.s.NewBlob(uint32(i))
	*model = modelBlob{pages: map[int64]*[page]byte{}}
}

func (m *machine) SetOwner(t *rapid.T) {
	b, _ := m.pick(t)
	require.NoError(t, b.SetOwner(rapid.Uint32Range(0, 3).Draw(t, "owner")))
}

// Check runs after every step.
func (m *machine) Check(t *rapid.T) {
	for i, b := range m.blobs {
		require.Equal(t, m.models[i].size, b.Size())
		require.Equal(t, len(m.models[i].pages), int(b.Allocated()))
	}
}

func TestBlobsBehaveLikeAMapOfPages(t *testing.T) {
	plainAndEncrypted(t, func(t *testing.T, encrypt bool) { rapid.Check(t, likeAMapOfPages(encrypt)) })
}

func likeAMapOfPages(encrypt bool) func(t *rapid.T) {
	return func(t *rapid.T) {
		s, err := memstore.New(memstore.Config{Limit: 1 << 30, Encrypt: encrypt})
		require.NoError(t, err)
		defer s.Close()
		m := &machine{s: s}
		for i := range 3 {
			m.blobs = append(m.blobs, s.NewBlob(uint32(i)))
			m.models = append(m.models, &modelBlob{pages: map[int64]*[page]byte{}})
		}
		t.Repeat(map[string]func(*rapid.T){
			"": m.Check, "write": m.Write, "writeAgain": m.Write, "read": m.Read, "truncate": m.Truncate, "allocate": m.Allocate,
			"zero": m.Zero, "punch": m.Punch, "seek": m.Seek, "free": m.Free, "setOwner": m.SetOwner,
		})
		for i, b := range m.blobs {
			for p := range m.models[i].pages { // everything once more, also what no step happened to read
				got := make([]byte, page)
				n, err := b.ReadAt(got, p*page)
				require.NoError(t, err)
				require.True(t, bytes.Equal(m.models[i].read(page, p*page), got[:n]), "page %d", p)
			}
		}
		require.NoError(t, s.Check())
		for _, b := range m.blobs {
			b.Free()
		}
		require.NoError(t, s.Check())
		require.Zero(t, s.Usage().Used)
	}
}
