// Package accounts is Kuai's own API of accounts: organisations, projects,
// people, keys, invitations, limits, the audit log, logging in and out. It
// describes itself at /api/v1/openapi.json.
//
// Every endpoint says whom it is for (need); one that says nothing is for
// operators alone. What a caller may not see is not there: 404, never 403.
package accounts

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"

	"kuai/api/gate"
	"kuai/api/openai"
	"kuai/api/wire"
	"kuai/fault"
	"kuai/platform/account"
	"kuai/platform/db"
	"kuai/platform/limit"
)

// Rooms are what the endpoints stand in front of.
type Rooms struct {
	Accounts *account.Store
	Limits   *limit.Store
	DB       *db.DB           // of the audit log
	OIDC     *account.OIDC    // nil: no login at an issuer
	Proxies  []netip.Prefix   // whose X-Forwarded-For is believed
	Now      func() time.Time // the clock; time.Now if nil
	// Keyless is who asks without a key on this machine: its owner. nil is nobody.
	Keyless *account.Principal
}

const (
	maxBody     = 64 << 10
	bodyTimeout = 10 * time.Second
	apiVersion  = "1.0.0"
)

// Register adds the endpoints to a router, below /api/v1, and returns their
// description.
func Register(m chi.Router, rooms Rooms) *huma.OpenAPI {
	if rooms.Now == nil {
		rooms.Now = time.Now
	}
	c := huma.DefaultConfig("Kuai accounts", apiVersion)
	c.OpenAPIPath = "/api/v1/openapi"
	c.DocsPath, c.SchemasPath, c.CreateHooks = "", "", nil // no scripts from elsewhere, no $schema in answers
	c.RejectUnknownQueryParameters = true
	c.Transformers = []huma.Transformer{ourWords}
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"key": {Type: "http", Scheme: "bearer", Description: "an API key or a session's secret"}}
	h := &handler{api: humachi.New(m, c), rooms: rooms, throttle: newThrottle()}
	h.sessions()
	h.organisations()
	h.people()
	h.keys()
	h.limits()
	return h.api.OpenAPI()
}

type handler struct {
	api      huma.API
	rooms    Rooms
	throttle *throttle
}

// need is whom an endpoint is for.
type need struct {
	open   bool           // everyone, without a key
	self   bool           // everyone with a key or session; the endpoint looks at nobody else
	role   account.Role   // those with at least this role in the path's organisation
	access account.Access // with self: that a key must have to look; all others need Read, and Write to change
}

// call is a request that is allowed.
type call struct {
	account.Caller
	request *http.Request
	writer  http.ResponseWriter
}

// endpoint adds one. do gets the caller, its input and the organisation of the
// path, which the caller has a role in.
func endpoint[In, Out any](h *handler, method, path, summary string, n need, do func(ctx context.Context, c call, in *In) (*Out, error)) {
	op := huma.Operation{
		OperationID: operationID(method, path), Method: method, Path: "/api/v1" + path, Summary: summary,
		MaxBodyBytes: maxBody, BodyReadTimeout: bodyTimeout, Responses: map[string]*huma.Response{"default": problemResponse},
		Middlewares: huma.Middlewares{func(ctx huma.Context, next func(huma.Context)) { h.allow(ctx, n, next) }},
	}
	if s, ok := any(new(Out)).(interface{ status() int }); ok {
		op.DefaultStatus = s.status()
	}
	if !n.open {
		op.Security = []map[string][]string{{"key": {}}}
	}
	huma.Register(h.api, op, func(ctx context.Context, in *In) (*Out, error) {
		c, _ := ctx.Value(callKey{}).(call) // allow has put it there
		out, err := do(ctx, c, in)
		if err != nil {
			return nil, failure(c.request, err)
		}
		return out, nil
	})
}

// operationID is a name for clients that are generated: get_organisations_org.
func operationID(method, path string) string {
	return strings.ToLower(method) + strings.NewReplacer("/", "_", "{", "", "}", "", "-", "_").Replace(path)
}

type callKey struct{}

// allow lets those through whom an endpoint is for.
func (h *handler) allow(ctx huma.Context, n need, next func(huma.Context)) {
	r, w := humachi.Unwrap(ctx)
	w.Header().Set("Cache-Control", "no-store")
	c := call{request: r, writer: w, Caller: account.Caller{IP: ClientIP(r, h.rooms.Proxies), Once: r.Header.Get("Idempotency-Key")}}
	if !n.open {
		p, err := h.who(r, c.IP)
		if err == nil {
			err = permit(p, n, r.Method, ctx.Param("org"))
		}
		if err != nil {
			openai.Failed(w, r, err)
			return
		}
		c.Principal = p
	}
	next(huma.WithValue(plain{ctx}, callKey{}, c))
}

// who is asking: the holder of the key, or the owner of this machine without one.
func (h *handler) who(r *http.Request, ip netip.Addr) (account.Principal, error) {
	secret := Secret(r)
	if secret == "" && h.rooms.Keyless != nil && Local(r) {
		return *h.rooms.Keyless, nil
	}
	return h.rooms.Accounts.Authenticate(r.Context(), secret, ip)
}

// Local says that a request came from this machine to this machine by its own
// name. A page elsewhere whose name was made to mean this machine (DNS
// rebinding), or a proxy that serves others, asks by another name.
func Local(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !peer.Addr().Unmap().IsLoopback() || r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Forwarded") != "" {
		return false
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.Unmap().IsLoopback()
}

// permit says whether a principal may use an endpoint.
func permit(p account.Principal, n need, method, org string) error {
	write := method != http.MethodGet && method != http.MethodHead
	least := account.Read
	switch {
	case write:
		least = account.Write
	case n.self:
		least = n.access
	}
	if p.Accounts < least {
		return fault.New(fault.Forbidden, "the key lacks the scope for accounts")
	}
	switch {
	case n.self:
		return nil
	case n.role != "":
		switch role := p.RoleIn(org); {
		case role == "":
			return fault.New(fault.NotFound, "there is nothing with this id that you may see")
		case !role.AtLeast(n.role):
			return fault.New(fault.Forbidden, "this needs the role %s", n.role)
		}
		return nil
	case p.Admin:
		return nil
	}
	return fault.New(fault.Forbidden, "this is for operators")
}

// sessionCookie holds a session's secret in a browser.
const sessionCookie = "kuai_session"

// Secret returns what a request authenticates with: the key or session in its
// header, else the session in its cookie; "" is none.
func Secret(r *http.Request) string {
	if key := gate.Key(r.Context()); key != "" {
		return key
	}
	if key := gate.ReadKey(r.Header); key != "" {
		return key
	}
	c, err := r.Cookie(sessionCookie)
	if err != nil || len(c.Value) > gate.MaxKey {
		return ""
	}
	return c.Value
}

// ClientIP is where a request comes from: the peer, or, while that is one of
// our proxies, who came to it, as X-Forwarded-For says from right to left.
func ClientIP(r *http.Request, proxies []netip.Prefix) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	ip := peer.Addr().Unmap().WithZone("")
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && within(ip, proxies); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		ip = hop.Unmap().WithZone("")
	}
	return ip
}

func within(ip netip.Addr, networks []netip.Prefix) bool {
	for _, n := range networks {
		if n.Contains(ip) {
			return true
		}
	}
	return false
}

// secure says whether the browser came over TLS, so that cookies can demand it.
func secure(r *http.Request) bool { return strings.HasPrefix(wire.Base(r), "https:") }
