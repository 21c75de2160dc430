package config

import (
	"crypto/rand"
	"errors"
	"strconv"

	"safetmp/memstore"
	"safetmp/policy"
)

// Policy builds the policy that o describes. It succeeds for every Options that Finish returned.
//
// Errors: *policy.ParseError.
func (o Options) Policy() (*policy.Policy, error) {
	var layers []policy.Layer
	if o.PolicyFile != "" {
		layer, err := policy.ParseLayer(o.PolicyFile, []byte(o.PolicyText))
		if err != nil {
			return nil, err
		}
		layers = append(layers, layer)
	}
	for _, s := range o.Settings {
		layer, err := policy.ParseSetting(s.Source, s.Value)
		if err != nil {
			return nil, err
		}
		layers = append(layers, layer)
	}
	return policy.Build(policy.Profile(o.Profile), layers...)
}

// Store returns the configuration of the memory that o promises. Whether it is encrypted is decided where it is made, unless
// o says so.
func (o Options) Store() memstore.Config {
	return memstore.Config{
		Limit:       memstore.Bytes(o.SizeBytes),
		Inodes:      o.Inodes,
		OwnerLimit:  memstore.Bytes(ownShare(o.UserSizeBytes, o.SizeBytes)),
		OwnerInodes: ownShare(o.UserInodes, o.Inodes),
		Lock:        memstore.LockTry,
		Encrypt:     o.Encrypt == EncryptOn,
		Keys:        o.keys(),
		Files:       o.IO == IOPassthrough,
	}
}

// ownShare is a user's share of a whole, 0 if it is the whole: who uses that up meets the limit of the mount, which is
// ENOSPC as on tmpfs, and not that of a share, which is EDQUOT and which few programs await.
func ownShare(share, whole int64) int64 {
	if share >= whole {
		return 0
	}
	return share
}

// keys says where keys are to be, if there are any.
func (o Options) keys() memstore.KeyMemory {
	switch {
	case o.KeyMemory == KeysSecret:
		return memstore.KeysSecret
	case o.KeyMemory == "" && o.AllowSwap:
		return memstore.KeysAnywhere
	}
	return memstore.KeysLocked
}

// checkPolicy has policy judge profile, file, rules and name template, and notes what the result means for the rest.
func (b *Builder) checkPolicy(o *Options) error {
	if b.profileSource != "" {
		if _, err := policy.ParseProfile(b.profileSource, b.profile); err != nil {
			return usageOf(err)
		}
	}
	if _, err := policy.NewNamer(rand.Reader, o.NameTemplate); err != nil {
		return usageFrom(b.templateSource, err)
	}
	p, err := o.Policy()
	if err != nil {
		return usageOf(err)
	}
	b.unmasked = p.Profile() == policy.ProfilePosix
	return nil
}

// usageOf turns a mistake that policy found into one of ours, so that callers need to know one type only.
func usageOf(err error) error {
	var p *policy.ParseError
	if !errors.As(err, &p) {
		return err
	}
	source := p.File
	if p.Line > 0 {
		source += ":" + strconv.Itoa(p.Line)
	}
	return &UsageError{Source: source, Problem: p.Problem + " (" + p.Accepted + ")"}
}

// usageFrom is usageOf for a mistake of which policy does not know the flag.
func usageFrom(source string, err error) error {
	err = usageOf(err)
	var u *UsageError
	if errors.As(err, &u) {
		u.Source = source
	}
	return err
}
