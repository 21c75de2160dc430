package volumecsi

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"safetmp/internal/config"
	"safetmp/internal/launch"
	"safetmp/internal/volume"
)

// statusCodes maps causes to codes.
var statusCodes = []struct {
	cause error
	code  codes.Code
}{
	{volume.ErrName, codes.InvalidArgument},
	{volume.ErrTarget, codes.InvalidArgument},
	{volume.ErrNotFound, codes.NotFound},
	{volume.ErrDiffers, codes.AlreadyExists},
	{volume.ErrLimit, codes.ResourceExhausted},
	{volume.ErrInUse, codes.FailedPrecondition},
	{volume.ErrLost, codes.FailedPrecondition},
	{launch.ErrInterrupted, codes.Aborted},
	{context.DeadlineExceeded, codes.DeadlineExceeded},
	{context.Canceled, codes.Canceled},
	{unix.ENOSPC, codes.ResourceExhausted},
}

// statusOf puts an error into the form of the interface.
func statusOf(err error) error {
	if err == nil {
		return nil
	}
	var usage *config.UsageError
	if errors.As(err, &usage) {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	for _, row := range statusCodes {
		if errors.Is(err, row.cause) {
			return status.Error(row.code, err.Error())
		}
	}
	return status.Error(codes.Internal, err.Error())
}

// missing is the error of a field that is required.
func missing(field string) error { return status.Errorf(codes.InvalidArgument, "%s is missing", field) }
