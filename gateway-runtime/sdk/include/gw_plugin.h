/*
 * gw_plugin.h: plugins that gw, the gateway you compile, loads while it runs.
 *
 * A plugin is a shared object (ELF) with
 *   - a section `.gw_plugin` that describes the file, and a section `.gw_plugins` with its plugins, one line each: they are
 *     read before any of its code runs (GW_DESCRIBE_FILE, GW_DESCRIBE_PLUGIN);
 *   - one exported function, `gw_plugin_entry_v1`.
 *
 * Rust crates get all of it from `cargo xtask build-so`. This header is for other languages.
 *
 * RULES
 *   - Structures that begin with `size` may grow at their end. Set it to `sizeof` of the structure as you compiled it. A
 *     function that is NULL means: what the gateway does without it.
 *   - Texts are UTF-8 and end by their length, not by a zero. What the gateway gives is valid until the function that got it
 *     returns; for asynchronous hooks, until the future is released. What a plugin gives is copied before the function returns.
 *   - Each side frees its own memory.
 *   - A call, and what was got from it, belong to one thread at a time. Nothing of it is used after the call has ended.
 *   - No exception and no panic leaves a function. A Rust or C++ plugin catches it, says what it was by `fail`, and returns
 *     GW_PANICKED.
 *   - A file is never unloaded. Its plugins are shared by all APIs that name them; each API has an instance of its own.
 */
#ifndef GW_PLUGIN_H
#define GW_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A file with another major version is refused, and one with a higher minor version. */
#define GW_ABI_MAJOR 1
#define GW_ABI_MINOR 0

/* Bytes that somebody else owns. `data` is NULL where there is nothing, which is not the same as no bytes. */
typedef struct gw_bytes {
    const uint8_t *data;
    size_t len;
} gw_bytes;

typedef struct gw_call gw_call;           /* one call of a plugin: in a hook, or while an API loads */
typedef struct gw_message gw_message;     /* a request, a response, or headers alone */
typedef struct gw_body gw_body;           /* a body that was taken from a message */
typedef struct gw_operation gw_operation; /* something of the gateway's that is waited for */

/* What a function came to. Those of the gateway return GW_OK or one below zero. */
enum {
    GW_OK = 0,
    GW_CONTINUE = 0,        /* the request goes on */
    GW_RESPOND = 1,         /* GW_ANSWER is the answer: nothing after this plugin runs */
    GW_REJECT = 2,          /* the request is refused; see `reject` */
    GW_MISSING_SESSION = 3, /* the plugin must know who is calling, and nobody has said so */
    GW_DISCARD = 4,         /* analytics: the record is not kept */
    GW_PENDING = 5,         /* not yet: the waker is called when it is worth asking again */
    GW_END = 6,             /* there are no more frames */
    GW_NOTHING = 7,         /* there is no such thing */
    GW_PANICKED = -1,       /* the plugin's code panicked; `fail` has said what */
    GW_FAILED = -2,         /* it cannot be done; `fail` has said why */
    GW_INVALID = -3,        /* not a valid name, value, text or handle */
    GW_TIMED_OUT = -4,
    GW_NOT_A_NUMBER = -5, /* store: the value is not a number */
    GW_FULL = -6,         /* store: there is no room */
    GW_TOO_LARGE = -7
};

/* Hooks, in the order in which a request meets them. */
enum {
    GW_PRE = 0,
    GW_AUTH_CHECK = 1,
    GW_POST_KEY_AUTH = 2,
    GW_POST = 3,
    GW_HOOK_RESPONSE = 4,
    GW_ENDPOINT = 5,
    GW_ANALYTICS = 6
};

/* Which message of a call. */
enum {
    GW_REQUEST = 0,
    GW_RESPONSE = 1, /* the upstream's; in GW_HOOK_RESPONSE */
    GW_ANSWER = 2,   /* what GW_RESPOND and GW_REJECT answer with; 200 and empty at first */
    GW_FINAL = 3     /* headers for whatever the client gets in the end */
};

/* Which text of a call. JSON is that of the definitions, of Tyk's sessions and of its analytics records. */
enum {
    GW_TEXT_DEFINITION = 0,     /* JSON: the API's definition */
    GW_TEXT_DOCUMENT = 1,       /* JSON: the OpenAPI document that the API was made from */
    GW_TEXT_CONFIG = 2,         /* JSON: config_data[<the plugin's name>], or all of config_data */
    GW_TEXT_REQUEST_ID = 3,     /* the same in every line of the log about this request */
    GW_TEXT_CLIENT_ADDRESS = 4, /* ip:port of the peer */
    GW_TEXT_SESSION = 5,        /* JSON: who is calling */
    GW_TEXT_SESSION_KEY = 6,    /* the key of that session, which is not in its JSON */
    GW_TEXT_RECORD = 7,         /* JSON: the analytics record; its two raw messages are in base64 */
    GW_TEXT_SERVER_NAME = 8,    /* what the client asked for in its TLS handshake */
    GW_TEXT_CERTIFICATE = 9,    /* 32 bytes: the SHA-256 of the client's certificate */
    GW_TEXT_API_ID = 10,
    GW_TEXT_GATEWAY_VERSION = 11
};

/* How a session is set. */
enum {
    GW_SESSION_CALLER = 0,  /* auth_check: this is who is calling */
    GW_SESSION_CHANGED = 1, /* the session of this request, changed in place */
    GW_SESSION_NEXT = 2,    /* from the next plugin on */
    GW_SESSION_PERSIST = 3  /* the same, and it is saved under its key */
};

/* Parts of a request's first line. */
enum {
    GW_METHOD = 0,
    GW_URI = 1,      /* path and query, listen path included */
    GW_UPSTREAM = 2, /* http://host[:port][/base] in place of the API's target; absent if no plugin chose one */
    GW_VERSION = 3   /* HTTP/1.1, HTTP/2.0 …; cannot be set */
};

enum { GW_DEBUG = 0, GW_INFO = 1, GW_WARN = 2, GW_ERROR = 3 };   /* levels of the log */
enum { GW_COUNTER = 0, GW_GAUGE = 1, GW_HISTOGRAM = 2 };         /* kinds of metrics */
enum { GW_BODY_EMPTY = 0, GW_BODY_BYTES = 1, GW_BODY_STREAM = 2 }; /* kinds of bodies */

/* What a waker can do. `clone` gives one that is the plugin's own, which `wake` or `release` ends. */
typedef struct gw_waker gw_waker;
typedef struct gw_waker_functions {
    gw_waker (*clone)(const void *data);
    void (*wake)(const void *data);
    void (*wake_by_ref)(const void *data);
    void (*release)(const void *data);
} gw_waker_functions;
struct gw_waker {
    const void *data;
    const gw_waker_functions *functions;
};

/* Something that is waited for. `poll` returns GW_PENDING, or what it came to; after that it is only released. A waker is
   lent for the time of the poll: keep a clone. A future whose `functions` are NULL is over at once, as GW_CONTINUE. */
typedef struct gw_future_functions {
    int32_t (*poll)(void *data, const gw_waker *waker);
    void (*release)(void *data);
} gw_future_functions;
typedef struct gw_future {
    void *data;
    const gw_future_functions *functions;
} gw_future;

/* A request without its headers and its body. */
typedef struct gw_head {
    size_t size;
    gw_bytes method;
    gw_bytes uri;
    gw_bytes version;
    gw_bytes upstream;
} gw_head;

typedef struct gw_body_info {
    size_t size;
    int32_t kind;   /* GW_BODY_… */
    int64_t length; /* in bytes; -1 if it is not known */
    gw_bytes bytes; /* of GW_BODY_BYTES */
} gw_body_info;

/* A part of a body. Either bytes, or trailers, which the receiver releases by `release_message`. */
typedef struct gw_frame {
    size_t size;
    gw_bytes bytes; /* valid until the next poll of the same body */
    gw_message *trailers;
} gw_frame;

/* A body that a plugin makes as it is read. `poll` gives GW_OK with a frame, GW_PENDING, GW_END or GW_FAILED, with the reason in `bytes`. */
typedef struct gw_stream_functions {
    int32_t (*poll)(void *data, const gw_waker *waker, gw_frame *frame);
    void (*release)(void *data);
} gw_stream_functions;
typedef struct gw_stream {
    void *data;
    const gw_stream_functions *functions;
    int64_t length; /* in bytes; -1 if it is not known */
} gw_stream;

/* What an operation came to. */
typedef struct gw_result {
    size_t size;
    gw_bytes bytes;       /* store_get: the value; after a failure: why; valid until the operation is released */
    int64_t number;       /* store_increment: the sum */
    gw_message *response; /* fetch: the response, which is the plugin's to release */
} gw_result;

typedef void (*gw_header_visitor)(void *to, gw_bytes name, gw_bytes value);

/* What the gateway does for a plugin. Lives as long as the process. */
typedef struct gw_host {
    size_t size;
    uint16_t abi_major;
    uint16_t abi_minor;

    /* The log. `call` may be NULL in both. */
    int32_t (*logs)(const gw_call *call, int32_t level); /* 1 if lines of that level are written */
    void (*log)(const gw_call *call, int32_t level, gw_bytes text);
    /* A panic, as it happens. */
    void (*panicked)(gw_bytes location, gw_bytes text);

    /* The call. */
    gw_bytes (*text)(gw_call *call, int32_t which);
    gw_bytes (*certificate)(gw_call *call, size_t index); /* of the client, DER; its own is 0 */
    gw_message *(*message)(gw_call *call, int32_t which); /* NULL if there is none */
    int32_t (*set_session)(gw_call *call, int32_t how, gw_bytes json, gw_bytes key);
    int32_t (*set_record)(gw_call *call, gw_bytes json);
    /* For GW_REJECT. With a message the gateway's own error body is made of it; without, GW_ANSWER is sent as it is. `reason`
       is for the log. */
    void (*reject)(gw_call *call, gw_bytes message, gw_bytes reason);
    /* For GW_FAILED and GW_PANICKED, and for an entry that refuses. `where` is a place in the definition, if there is one. */
    void (*fail)(gw_call *call, gw_bytes where, gw_bytes text);
    void (*metric)(const gw_call *call, int32_t kind, gw_bytes name, double value);

    /* Messages. */
    gw_message *(*new_request)(void); /* GET, for `fetch` */
    void (*release_message)(gw_message *message);
    int32_t (*head)(gw_message *message, gw_head *head); /* of a request; valid until it changes */
    gw_bytes (*line)(gw_message *message, int32_t part);
    int32_t (*set_line)(gw_message *message, int32_t part, gw_bytes value);
    int32_t (*status)(const gw_message *message); /* 0 if it is not a response */
    int32_t (*set_status)(gw_message *message, int32_t status);
    size_t (*headers)(const gw_message *message, gw_header_visitor visit, void *to); /* gives their number */
    gw_bytes (*header)(const gw_message *message, gw_bytes name);                    /* the first value */
    /* GW_INVALID: not a name or a value. GW_FULL: there are too many. */
    int32_t (*set_header)(gw_message *message, gw_bytes name, gw_bytes value);       /* in place of all */
    int32_t (*add_header)(gw_message *message, gw_bytes name, gw_bytes value);
    int32_t (*remove_header)(gw_message *message, gw_bytes name);

    /* Bodies. One in memory is shared by who takes it; a stream is moved out, and to be put back. */
    int32_t (*body)(gw_message *message, gw_body_info *info);
    gw_body *(*take_body)(gw_message *message, gw_body_info *info); /* NULL if it is empty */
    int32_t (*put_body)(gw_message *message, gw_body *body);
    /* `describe`: 1 makes the headers tell of the new body. `trailers` may be NULL, and are taken. */
    int32_t (*set_body)(gw_message *message, gw_bytes bytes, gw_message *trailers, int32_t describe);
    int32_t (*set_body_stream)(gw_message *message, gw_stream stream, int32_t describe);
    int32_t (*poll_body)(gw_body *body, const gw_waker *waker, gw_frame *frame);
    int64_t (*body_length)(const gw_body *body); /* what is left, in bytes; -1 if it is not known */
    void (*release_body)(gw_body *body);

    /* Operations. They go on while they are polled, on the thread that polls them. Times are in microseconds. */
    gw_operation *(*fetch)(gw_call *call, gw_message *request, uint64_t timeout); /* takes the request */
    gw_operation *(*sleep)(gw_call *call, uint64_t time);
    gw_operation *(*store_get)(gw_call *call, gw_bytes key);
    gw_operation *(*store_set)(gw_call *call, gw_bytes key, gw_bytes value, int64_t ttl); /* below zero: for good */
    gw_operation *(*store_increment)(gw_call *call, gw_bytes key, int64_t by, int64_t ttl);
    gw_operation *(*store_delete)(gw_call *call, gw_bytes key);
    int32_t (*poll)(gw_operation *operation, const gw_waker *waker, gw_result *result); /* GW_NOTHING: no such key */
    /* Waits on this thread. Only in hooks that say GW_BLOCKING, which run on threads of their own. */
    int32_t (*wait)(gw_operation *operation, gw_result *result);
    void (*release)(gw_operation *operation);
} gw_host;

/* What a function of a hook is like. */
enum {
    GW_BLOCKING = 1,           /* it holds its thread for long: it runs on one of a pool */
    GW_ON_PANIC_CONTINUE = 2,  /* a request whose plugin panicked goes on */
    GW_ON_TIMEOUT_CONTINUE = 4,/* so does one whose plugin was late */
    GW_TAKES_REQUEST = 8       /* GW_HOOK_RESPONSE: it looks at the request, of which the head is kept */
};

/* One function of a plugin. Either `call` or `begin`. */
typedef struct gw_hook {
    size_t size;
    int32_t hook;
    uint32_t flags;
    uint64_t timeout;  /* in microseconds; 0: what the gateway's configuration says */
    gw_bytes function; /* its name, for people */
    /* In bytes; above 0, `call` finds the body of the request, or in GW_HOOK_RESPONSE of the response, in memory. Who sends
       more is refused with 413. */
    uint64_t body_limit;
    int32_t (*call)(void *instance, gw_call *call);
    gw_future (*begin)(void *instance, gw_call *call);
} gw_hook;

/* One plugin. */
typedef struct gw_plugin {
    size_t size;
    gw_bytes name;    /* as definitions name it */
    gw_bytes package; /* the crate, module or folder it comes from */
    gw_bytes version;
    gw_bytes doc; /* one paragraph */
    size_t hooks_len;
    const gw_hook *const *hooks;

    /* While an API loads: reads the configuration, and makes what `instance` is in all other functions. Not asynchronous, and
       without anything to wait for. GW_OK, or GW_FAILED after `fail` with the place that is wrong. */
    int32_t (*create)(const struct gw_plugin *plugin, gw_call *call, void **instance);
    /* After that: connects, reads files … GW_OK, or GW_FAILED after `fail`. */
    gw_future (*start)(void *instance, gw_call *call);
    /* When the API is gone and its last request has ended. */
    gw_future (*stop)(void *instance, gw_call *call);
    /* Last of all, whatever came before. */
    void (*destroy)(void *instance);
} gw_plugin;

/* What a file offers. */
typedef struct gw_library {
    size_t size;
    uint16_t abi_major;
    uint16_t abi_minor;
    size_t plugins_len;
    const gw_plugin *const *plugins; /* the same as in `.gw_plugins` */
} gw_library;

/* Called once, before anything else. NULL refuses to be loaded, after `fail`. */
const gw_library *gw_plugin_entry_v1(const gw_host *host, gw_call *call);

/* The file's description: GW_DESCRIBE_FILE("c", "x86_64-unknown-linux-gnu"). */
#define GW_STRING_(x) #x
#define GW_STRING(x) GW_STRING_(x)
#define GW_DESCRIBE_FILE(language, target)                                                                              \
    __attribute__((used, section(".gw_plugin"))) static const char gw_file_description[] =                            \
        "{\"abi\":\"" GW_STRING(GW_ABI_MAJOR) "." GW_STRING(GW_ABI_MINOR) "\",\"language\":\"" language              \
        "\",\"target\":\"" target "\"}\n"
/* One of its plugins: GW_DESCRIBE_PLUGIN(0, "package", "1.0.0", "Name", "\"pre\",\"post\""). */
#define GW_DESCRIBE_PLUGIN(number, package, version, name, hooks)                                                       \
    __attribute__((used, section(".gw_plugins"), aligned(1))) static const char gw_plugin_description_##number[] =    \
        "{\"crate\":\"" package "\",\"version\":\"" version "\",\"name\":\"" name "\",\"hooks\":[" hooks "]}\n"

#define GW_TEXT(literal) ((gw_bytes){(const uint8_t *)(literal), sizeof(literal) - 1})

#ifdef __cplusplus
}
#endif
#endif
