package router

import "net/http"

// failure is one way in which a request can end badly: Heroku's code, its
// words for the log line, and ours for the person who sees the page.
type failure struct {
	code   string // "" for what is not an app's error (unknown host, bad request)
	desc   string // in the log line
	status int    // to the client and in the log line
	title  string
	text   string
	// owner says that the page names the command that shows the app's log.
	owner bool
	// retryAfter is how many seconds the client is told to wait; 0 says nothing.
	retryAfter int
}

// statusClientGone is what the log says of a client that left; no client sees it.
const statusClientGone = 499

const (
	appError = "Application error"
	tryLater = "Please try again in a moment."
)

// failureOf gives the failure of a code. An unknown code is a platform error.
func failureOf(code string) failure {
	f := failure{code: code, status: http.StatusServiceUnavailable, title: appError}
	switch code {
	case "H10":
		f.desc, f.text, f.owner = "App crashed", "The app crashed and is not running.", true
	case "H11":
		f.desc, f.text = "Backlog too deep", "The app has more requests than it can take. "+tryLater
	case "H12":
		f.desc, f.text = "Request timeout", "The app took too long to answer. "+tryLater
	case "H13":
		f.desc, f.text = "Connection closed without response", "The app closed the connection without an answer. "+tryLater
	case "H14":
		f.desc, f.text, f.owner = "No web processes running", "No web process of this app is running.", true
	case "H15":
		f.desc, f.text = "Idle connection", "The app stopped sending its answer."
	case "H17":
		f.desc, f.text = "Poorly formatted HTTP response", "The app sent an answer that is not valid HTTP."
	case "H18":
		f.desc, f.text = "Server Request Interrupted", "The app broke off its answer."
	case "H19":
		f.desc, f.text = "Backend connection timeout", "The app could not be reached in time. "+tryLater
	case "H20":
		f.desc, f.text = "App boot timeout", "The app is starting. "+tryLater
	case "H21":
		f.desc, f.text = "Backend connection refused", "The app does not accept connections. "+tryLater
	case "H80":
		f.desc, f.title, f.text = "Maintenance mode", "Maintenance", "The app is down for maintenance. "+tryLater
	case "H81":
		f.desc, f.title, f.text, f.owner = "Blank app", "Nothing here yet", "Nothing was deployed to this app yet.", true
	default:
		return clientFailureOf(code)
	}
	return f
}

// clientFailureOf gives the failures that are the client's doing.
func clientFailureOf(code string) failure {
	f := failure{code: code}
	switch code {
	case "H26":
		f.desc, f.status = "Request Error", http.StatusBadRequest
		f.title, f.text = "Bad request", "The request could not be read."
	case "H27":
		f.desc, f.status = "Client Request Interrupted", statusClientGone
	case "H28":
		f.desc, f.status = "Client Connection Idle", http.StatusServiceUnavailable
		f.title, f.text = "Request timeout", "The request was not sent in time."
	case "H31":
		f.desc, f.status = "Misdirected Request", http.StatusMisdirectedRequest
		f.title, f.text = "Misdirected request", "This connection was opened for another host name."
	default:
		f.code, f.desc, f.status = "H99", "Platform error", http.StatusServiceUnavailable
		f.title, f.text = "Platform error", "The platform could not handle this request. "+tryLater
	}
	return f
}

// routerStarting is for the moments before the first table, when a 404 would
// tell crawlers and caches that an app is gone.
func routerStarting() failure {
	f := failureOf("H99")
	f.title, f.retryAfter = "The platform is starting", 1
	f.text = "The router is starting and does not know its apps yet. " + tryLater
	return f
}

// Failures outside of any app: they have no code and no log line.
func (c *Config) noSuchApp() failure {
	text := "There is no app at this address."
	switch {
	case c.Unknown != "":
		text = c.Unknown
	case c.Domain != "":
		text += " Apps of this platform live under " + c.Domain + "."
	}
	return failure{status: http.StatusNotFound, title: "No such app", text: text}
}

func badRequest(text string) failure {
	return failure{status: http.StatusBadRequest, title: "Bad request", text: text}
}

func noMethod(text string) failure {
	return failure{status: http.StatusMethodNotAllowed, title: "Method not allowed", text: text}
}
