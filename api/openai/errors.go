package openai

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"kuai/serve"
	"kuai/video"
)

// Error writes an error in OpenAI's shape.
func Error(w http.ResponseWriter, status int, kind, code, message string) {
	JSON(w, status, map[string]any{"error": map[string]any{"message": message, "type": kind, "code": code, "param": nil}})
}

// JSON writes a value.
func JSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the caller has gone: nobody to tell
}

// failed maps an error to its status.
func failed(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, serve.ErrNotFound):
		Error(w, http.StatusNotFound, "invalid_request_error", "not_found", "there is no video with this id")
	case errors.Is(err, serve.ErrNotReady):
		Error(w, http.StatusConflict, "invalid_request_error", "not_ready", "the video is not finished; poll until its status is completed")
	case errors.Is(err, serve.ErrFull):
		w.Header().Set("Retry-After", "10")
		Error(w, http.StatusTooManyRequests, "rate_limit_error", "queue_full", "too many videos are waiting")
	case errors.Is(err, serve.ErrClosed):
		Error(w, http.StatusServiceUnavailable, "server_error", "shutting_down", "the server is shutting down")
	case errors.Is(err, video.ErrEmptyPrompt), errors.Is(err, video.ErrLongPrompt), errors.Is(err, video.ErrUnknown):
		paramFailed(w, "prompt", err.Error())
	default:
		if param, ok := asParam(err); ok {
			paramFailed(w, param, err.Error())
			return
		}
		if limit, ok := errors.AsType[*video.LimitError](err); ok {
			paramFailed(w, limit.Field, err.Error())
			return
		}
		slog.Error("a request failed", "error", err)
		Error(w, http.StatusInternalServerError, "server_error", "internal", "internal error; the server's log has it")
	}
}

func paramFailed(w http.ResponseWriter, param, message string) {
	JSON(w, http.StatusBadRequest, map[string]any{"error": map[string]any{
		"message": message, "type": "invalid_request_error", "code": "invalid_value", "param": param,
	}})
}

// paramError is a request that asks for what cannot be; its message is for
// the client.
type paramError struct{ param, message string }

func (e *paramError) Error() string { return e.message }

func invalid(param, format string, args ...any) error {
	return &paramError{param, fmt.Sprintf(format, args...)}
}

// asParam returns the parameter's name of a paramError.
func asParam(err error) (string, bool) {
	if p, ok := errors.AsType[*paramError](err); ok {
		return p.param, true
	}
	return "", false
}
