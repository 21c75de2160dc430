package memstore

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"reflect"
	"runtime"
	"unsafe"
)

// cipherMaker puts AES-GCM ciphers of the standard library, expanded keys and all, where we want them.
//
// The value behind cipher.NewGCM is a struct without pointers, so that it may lie in any memory: it is made on the heap, copied,
// and overwritten on the heap. Whether that is still so in this toolchain is looked at when a store is made; if it is not, the
// store is refused.
type cipherMaker struct {
	t reflect.Type // of the struct
}

func newCipherMaker() (cipherMaker, error) {
	aead, _ := newGCM(make([]byte, keySize))
	t := reflect.TypeOf(aead)
	if t.Kind() != reflect.Pointer || !pointerFree(t.Elem()) {
		return cipherMaker{}, fmt.Errorf("memstore: %s: its expanded keys cannot be kept off the Go heap: %w", runtime.Version(), ErrNotLocked)
	}
	return cipherMaker{t: t.Elem()}, nil
}

// newGCM returns a cipher and all values that hold parts of its key.
func newGCM(key []byte) (cipher.AEAD, []any) {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("memstore: AES-256: " + err.Error())
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic("memstore: GCM: " + err.Error())
	}
	return aead, []any{aead, block}
}

// pointerFree reports whether values of t hold no pointers.
func pointerFree(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Array:
		return pointerFree(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if !pointerFree(t.Field(i).Type) {
				return false
			}
		}
		return true
	}
	return t.Kind() >= reflect.Bool && t.Kind() <= reflect.Complex128
}

// size is how much memory a cipher takes, in whole cache lines.
func (m cipherMaker) size() int { return (int(m.t.Size()) + 63) &^ 63 }

// at returns the place for a cipher in mem, which is outside the Go heap.
func (m cipherMaker) at(mem []byte) place {
	return place{reflect.NewAt(m.t, unsafe.Pointer(unsafe.SliceData(mem)))}
}

// place is where a cipher lies.
type place struct {
	v reflect.Value // a pointer
}

// aead returns the cipher that lies here, whichever key it has at the time.
func (p place) aead() cipher.AEAD { return p.v.Interface().(cipher.AEAD) }

// expand puts a cipher with this key here. What its making leaves on the heap and on the stack is overwritten.
func (p place) expand(key []byte) {
	guarded(func() {
		aead, parts := newGCM(key)
		p.v.Elem().Set(reflect.ValueOf(aead).Elem())
		for _, part := range parts {
			reflect.ValueOf(part).Elem().SetZero()
		}
	})
}

// erase overwrites the cipher that lies here.
func (p place) erase() { p.v.Elem().SetZero() }

// scrubStack overwrites the stack below its caller, where ciphers kept counters, tags and round keys.
//
//go:noinline
func scrubStack() {
	var below [2048]byte
	runtime.KeepAlive(&below)
}
