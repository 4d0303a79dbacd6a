package accounts

import (
	"context"
	"net/http"
	"strings"
	"time"

	"kuai/fault"
	"kuai/platform/account"
)

// begun is a session with its secret, which a browser gets as a cookie too.
type begun struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
	Body      struct {
		Session account.Session `json:"session"`
		Secret  string          `json:"secret" doc:"to be sent as a bearer token; shown this once"`
	}
}

// cookie holds a session's secret out of the reach of scripts and of requests
// that other sites make.
func cookie(r *http.Request, secret string, expires time.Time) http.Cookie {
	return http.Cookie{Name: sessionCookie, Value: secret, Path: "/", Expires: expires, HttpOnly: true, Secure: secure(r), SameSite: http.SameSiteLaxMode}
}

func from(c call) account.From {
	return account.From{IP: c.IP, Agent: c.request.UserAgent()}
}

func begunFor(c call, s account.Session, secret string, err error) (*begun, error) {
	if err != nil {
		return nil, err
	}
	out := &begun{SetCookie: cookie(c.request, secret, s.ExpiresAt)}
	out.Body.Session, out.Body.Secret = s, secret
	return out, nil
}

// ended is done, and the browser forgets its session.
type ended struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
}

type loginInput struct {
	Body struct {
		Email    string `json:"email" maxLength:"254"`
		Password string `json:"password" maxLength:"256"`
	}
}

type acceptInput struct {
	Body struct {
		Secret   string `json:"secret" maxLength:"128" doc:"of the invitation"`
		Name     string `json:"name,omitempty" maxLength:"400" doc:"of a person who is new here"`
		Password string `json:"password" maxLength:"256" doc:"a new one, or the one that the person has here"`
	}
}

type passwordInput struct {
	Body struct {
		Old string `json:"old_password,omitempty" maxLength:"256"`
		New string `json:"password" maxLength:"256"`
	}
}

// me is who a caller is.
type me struct {
	Body struct {
		User         string                  `json:"user,omitempty"`
		Email        string                  `json:"email,omitempty"`
		Name         string                  `json:"name,omitempty"`
		Key          string                  `json:"key,omitempty"`
		Session      string                  `json:"session,omitempty"`
		Organisation string                  `json:"organisation,omitempty" doc:"where what the caller makes belongs"`
		Project      string                  `json:"project,omitempty"`
		Operator     bool                    `json:"operator"`
		Roles        map[string]account.Role `json:"roles" doc:"by organisation"`
		Scopes       []string                `json:"scopes,omitempty" doc:"none listed: everything"`
		Models       []string                `json:"models,omitempty" doc:"none listed: all"`
	}
}

type listedSessions struct {
	Body struct {
		Data []account.Session `json:"data"`
	}
}

type sessionInput struct {
	ID string `path:"session" maxLength:"64"`
}

func (h *handler) sessions() {
	a := h.rooms.Accounts
	endpoint(h, http.MethodPost, "/login", "Log in with a password", need{open: true}, func(ctx context.Context, c call, in *loginInput) (*begun, error) {
		if err := h.throttle.try(strings.ToLower(in.Body.Email), c.IP, h.rooms.Now()); err != nil {
			return nil, err
		}
		s, secret, err := a.Login(ctx, from(c), in.Body.Email, in.Body.Password)
		return begunFor(c, s, secret, err)
	})
	endpoint(h, http.MethodPost, "/invitations/accept", "Join an organisation by invitation", need{open: true}, func(ctx context.Context, c call, in *acceptInput) (*begun, error) {
		if err := h.throttle.try(in.Body.Secret, c.IP, h.rooms.Now()); err != nil {
			return nil, err
		}
		s, secret, err := a.Accept(ctx, from(c), in.Body.Secret, in.Body.Name, in.Body.Password)
		return begunFor(c, s, secret, err)
	})
	endpoint(h, http.MethodPost, "/logout", "End this session", need{self: true}, func(ctx context.Context, c call, _ *struct{}) (*ended, error) {
		if c.Principal.Session == "" {
			return nil, errNoSession()
		}
		return &ended{cookie(c.request, "", time.Unix(1, 0))}, a.Logout(ctx, c.Caller, c.Principal.Session)
	})
	endpoint(h, http.MethodPost, "/logout/all", "End all sessions of this person", need{self: true}, func(ctx context.Context, c call, _ *struct{}) (*ended, error) {
		if c.Principal.Session == "" {
			return nil, errNoSession()
		}
		return &ended{cookie(c.request, "", time.Unix(1, 0))}, a.LogoutAll(ctx, c.Caller, c.Principal.User)
	})
	endpoint(h, http.MethodGet, "/me", "Who the caller is", need{self: true}, h.me)
	endpoint(h, http.MethodGet, "/me/sessions", "This person's sessions", need{self: true}, func(ctx context.Context, c call, _ *struct{}) (*listedSessions, error) {
		if c.Principal.Session == "" {
			return nil, errNoSession()
		}
		out := &listedSessions{}
		all, err := a.Sessions(ctx, c.Principal.User)
		out.Body.Data = append([]account.Session{}, all...)
		return out, err
	})
	endpoint(h, http.MethodDelete, "/me/sessions/{session}", "End one session of this person", need{self: true}, func(ctx context.Context, c call, in *sessionInput) (*done, error) {
		if c.Principal.Session == "" {
			return nil, errNoSession()
		}
		return finished(a.Logout(ctx, c.Caller, in.ID))
	})
	endpoint(h, http.MethodPost, "/me/password", "Change this person's password, which ends all sessions", need{self: true}, func(ctx context.Context, c call, in *passwordInput) (*ended, error) {
		if c.Principal.Session == "" {
			return nil, errNoSession()
		}
		if err := h.throttle.try(c.Principal.User, c.IP, h.rooms.Now()); err != nil {
			return nil, err
		}
		return &ended{cookie(c.request, "", time.Unix(1, 0))}, a.SetPassword(ctx, c.Caller, c.Principal.User, in.Body.Old, in.Body.New)
	})
	if h.rooms.OIDC != nil {
		h.oidc()
	}
}

func errNoSession() *fault.Error {
	return fault.New(fault.Forbidden, "this is for people who are logged in, not for keys")
}

func (h *handler) me(ctx context.Context, c call, _ *struct{}) (*me, error) {
	out, p := &me{}, c.Principal
	b := &out.Body
	b.User, b.Key, b.Session, b.Organisation, b.Project = p.User, p.Key, p.Session, p.Org, p.Project
	b.Operator, b.Roles, b.Scopes, b.Models = p.Admin, p.Roles, p.Scopes, p.Models
	if b.Roles == nil {
		b.Roles = map[string]account.Role{} // an object, as it is described
	}
	if p.User != "" && p.User != account.Operator.Principal.User { // who owns the machine has no account
		u, err := h.rooms.Accounts.User(ctx, p.User)
		if err != nil {
			return nil, err
		}
		b.Email, b.Name = u.Email, u.Name
	}
	return out, nil
}

// stateCookie binds a login at an issuer to the browser that began it.
const stateCookie = "kuai_login"

// redirect sends the browser elsewhere.
type redirect struct {
	Status    int
	Location  string        `header:"Location"`
	SetCookie []http.Cookie `header:"Set-Cookie"`
}

type beginInput struct {
	Invitation string `query:"invitation" maxLength:"128" doc:"the secret of one that the login accepts"`
}

type finishInput struct {
	State  string `query:"state" maxLength:"128"`
	Code   string `query:"code" maxLength:"4096"`
	Error  string `query:"error" maxLength:"256"`
	Scope  string `query:"scope" maxLength:"1024"`
	Iss    string `query:"iss" maxLength:"1024"`
	Detail string `query:"error_description" maxLength:"1024"`
	Held   string `cookie:"kuai_login" maxLength:"128"`
}

func (h *handler) oidc() {
	endpoint(h, http.MethodGet, "/login/oidc", "Log in at the issuer: sends the browser there", need{open: true}, func(ctx context.Context, c call, in *beginInput) (*redirect, error) {
		if err := h.throttle.try("oidc", c.IP, h.rooms.Now()); in.Invitation != "" && err != nil {
			return nil, err
		}
		url, state, err := h.rooms.OIDC.Begin(ctx, in.Invitation)
		if err != nil {
			return nil, err
		}
		held := cookie(c.request, state, time.Time{})
		held.Name, held.Path = stateCookie, "/api/v1/login/oidc"
		return &redirect{http.StatusFound, url, []http.Cookie{held}}, nil
	})
	endpoint(h, http.MethodGet, "/login/oidc/callback", "Where the issuer sends the browser back to", need{open: true}, func(ctx context.Context, c call, in *finishInput) (*redirect, error) {
		if in.Error != "" {
			return nil, fault.New(fault.Unauthenticated, "the login provider refused the login")
		}
		s, secret, err := h.rooms.OIDC.Finish(ctx, from(c), in.State, in.Held, in.Code)
		if err != nil {
			return nil, err
		}
		over := cookie(c.request, "", time.Unix(1, 0))
		over.Name, over.Path = stateCookie, "/api/v1/login/oidc"
		return &redirect{http.StatusFound, "/", []http.Cookie{cookie(c.request, secret, s.ExpiresAt), over}}, nil
	})
}
