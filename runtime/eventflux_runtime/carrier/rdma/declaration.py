"""What is used of libfabric's interface: its structures, tables of functions and numbers, as its manual pages say.

The pages are fi_getinfo(3), fi_fabric(3), fi_domain(3), fi_endpoint(3), fi_cm(3), fi_msg(3), fi_rma(3), fi_mr(3),
fi_eq(3), fi_cq(3), fi_poll(3) and fi_errno(3) of libfabric 1.17. A structure that the library makes is declared as far
as it is read: newer versions add to its end. Those that are made here have `reserved` words of zero there. What is not
used within a table keeps its place as a bare pointer.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "API_VERSION",
    "CONNECTED",
    "CONNREQ",
    "CONTEXT",
    "CONTEXT2",
    "CONTEXT_BYTES",
    "CQ_FORMAT_MSG",
    "DECLARATIONS",
    "EAVAIL",
    "ENABLE",
    "ENTRY_BYTES",
    "EP_DGRAM",
    "EP_MSG",
    "EP_RDM",
    "GETWAIT",
    "MR_ALLOCATED",
    "MR_LOCAL",
    "MR_PROV_KEY",
    "MR_VIRT_ADDR",
    "MSG",
    "NUMERICHOST",
    "ORDER_SAS",
    "READ",
    "RECV",
    "REMOTE_READ",
    "RMA",
    "SEND",
    "SHUTDOWN",
    "SOURCE",
    "THREAD_SAFE",
    "WAIT_FD",
]

API_VERSION: Final = (1 << 16) | 17
"""The version of the interface that is asked for: 1.17."""

MSG: Final = 1 << 1
RMA: Final = 1 << 2
READ: Final = 1 << 8
RECV: Final = 1 << 10
SEND: Final = 1 << 11
REMOTE_READ: Final = 1 << 12
NUMERICHOST: Final = 1 << 55
SOURCE: Final = 1 << 57

ORDER_SAS: Final = 1 << 8
"""Messages arrive in the order in which they were sent."""

MR_LOCAL: Final = 1 << 2
MR_VIRT_ADDR: Final = 1 << 4
MR_ALLOCATED: Final = 1 << 5
MR_PROV_KEY: Final = 1 << 6

CONTEXT: Final = 1 << 59
CONTEXT2: Final = 1 << 52
CONTEXT_BYTES: Final = 64
"""Bytes of a context that fit providers that ask for CONTEXT2, and so for CONTEXT."""

EP_MSG: Final = 1
EP_DGRAM: Final = 2
EP_RDM: Final = 3
THREAD_SAFE: Final = 1
WAIT_FD: Final = 3
CQ_FORMAT_MSG: Final = 2
ENTRY_BYTES: Final = 24
"""Bytes of an entry of that format."""

GETWAIT: Final = 5
ENABLE: Final = 6

CONNREQ: Final = 1
CONNECTED: Final = 2
SHUTDOWN: Final = 3

EAVAIL: Final = 259
"""An error waits to be read; the other numbers of errors that are used are those of the system."""

DECLARATIONS: Final = """
struct fi_context2 { void *internal[8]; };

struct fid;
struct fi_ops {
    size_t size;
    int (*close)(struct fid *);
    int (*bind)(struct fid *, struct fid *, uint64_t);
    int (*control)(struct fid *, int, void *);
};
struct fid { size_t fclass; void *context; struct fi_ops *ops; };

struct fi_tx_attr {
    uint64_t caps, mode, op_flags, msg_order, comp_order;
    size_t inject_size, size, iov_limit, rma_iov_limit;
    uint32_t tclass;
};
struct fi_rx_attr {
    uint64_t caps, mode, op_flags, msg_order, comp_order;
    size_t total_buffered_recv, size, iov_limit;
};
struct fi_ep_attr {
    int type;
    uint32_t protocol, protocol_version;
    size_t max_msg_size, msg_prefix_size;
};
struct fi_domain_attr {
    void *domain;
    char *name;
    int threading, control_progress, data_progress, resource_mgmt, av_type, mr_mode;
};
struct fi_fabric_attr {
    void *fabric;
    char *name, *prov_name;
    uint32_t prov_version, api_version;
};
struct fi_info {
    struct fi_info *next;
    uint64_t caps, mode;
    uint32_t addr_format;
    size_t src_addrlen, dest_addrlen;
    void *src_addr, *dest_addr;
    struct fid *handle;
    struct fi_tx_attr *tx_attr;
    struct fi_rx_attr *rx_attr;
    struct fi_ep_attr *ep_attr;
    struct fi_domain_attr *domain_attr;
    struct fi_fabric_attr *fabric_attr;
};

struct fi_eq_attr {
    size_t size;
    uint64_t flags;
    int wait_obj, signaling_vector;
    void *wait_set;
    uint64_t reserved[8];
};
struct fi_eq_cm_entry { struct fid *fid; struct fi_info *info; uint8_t data[]; };
struct fi_eq_err_entry {
    struct fid *fid;
    void *context;
    uint64_t data;
    int err, prov_errno;
    void *err_data;
    size_t err_data_size;
    uint64_t reserved[8];
};
struct fid_eq;
struct fi_ops_eq {
    size_t size;
    ssize_t (*read)(struct fid_eq *, uint32_t *, void *, size_t, uint64_t);
    ssize_t (*readerr)(struct fid_eq *, struct fi_eq_err_entry *, uint64_t);
};
struct fid_eq { struct fid fid; struct fi_ops_eq *ops; };

struct fi_cq_attr {
    size_t size;
    uint64_t flags;
    int format, wait_obj, signaling_vector, wait_cond;
    void *wait_set;
    uint64_t reserved[8];
};
struct fi_cq_msg_entry { void *op_context; uint64_t flags; size_t len; };
struct fi_cq_err_entry {
    void *op_context;
    uint64_t flags;
    size_t len;
    void *buf;
    uint64_t data, tag;
    size_t olen;
    int err, prov_errno;
    void *err_data;
    size_t err_data_size;
    uint64_t reserved[8];
};
struct fid_cq;
struct fi_ops_cq {
    size_t size;
    ssize_t (*read)(struct fid_cq *, void *, size_t);
    void *readfrom;
    ssize_t (*readerr)(struct fid_cq *, struct fi_cq_err_entry *, uint64_t);
};
struct fid_cq { struct fid fid; struct fi_ops_cq *ops; };

struct fid_ep;
struct fid_pep;
struct fi_ops_cm {
    size_t size;
    void *setname;
    int (*getname)(struct fid *, void *, size_t *);
    void *getpeer;
    int (*connect)(struct fid_ep *, const void *, const void *, size_t);
    int (*listen)(struct fid_pep *);
    int (*accept)(struct fid_ep *, const void *, size_t);
    int (*reject)(struct fid_pep *, struct fid *, const void *, size_t);
    int (*shutdown)(struct fid_ep *, uint64_t);
};
struct fi_ops_msg {
    size_t size;
    ssize_t (*recv)(struct fid_ep *, void *, size_t, void *, uint64_t, void *);
    void *recvv, *recvmsg;
    ssize_t (*send)(struct fid_ep *, const void *, size_t, void *, uint64_t, void *);
    void *sendv, *sendmsg;
    ssize_t (*inject)(struct fid_ep *, const void *, size_t, uint64_t);
};
struct fi_ops_rma {
    size_t size;
    ssize_t (*read)(struct fid_ep *, void *, size_t, void *, uint64_t, uint64_t, uint64_t, void *);
};
struct fid_ep {
    struct fid fid;
    void *ops;
    struct fi_ops_cm *cm;
    struct fi_ops_msg *msg;
    struct fi_ops_rma *rma;
};
struct fid_pep { struct fid fid; void *ops; struct fi_ops_cm *cm; };

struct fid_mr { struct fid fid; void *mem_desc; uint64_t key; };
struct fi_ops_mr {
    size_t size;
    int (*reg)(struct fid *, const void *, size_t, uint64_t, uint64_t, uint64_t, uint64_t, struct fid_mr **, void *);
};
struct fid_domain;
struct fi_ops_domain {
    size_t size;
    void *av_open;
    int (*cq_open)(struct fid_domain *, struct fi_cq_attr *, struct fid_cq **, void *);
    int (*endpoint)(struct fid_domain *, struct fi_info *, struct fid_ep **, void *);
};
struct fid_domain { struct fid fid; struct fi_ops_domain *ops; struct fi_ops_mr *mr; };
struct fid_fabric;
struct fi_ops_fabric {
    size_t size;
    int (*domain)(struct fid_fabric *, struct fi_info *, struct fid_domain **, void *);
    int (*passive_ep)(struct fid_fabric *, struct fi_info *, struct fid_pep **, void *);
    int (*eq_open)(struct fid_fabric *, struct fi_eq_attr *, struct fid_eq **, void *);
    void *wait_open;
    int (*trywait)(struct fid_fabric *, struct fid **, int);
};
struct fid_fabric { struct fid fid; struct fi_ops_fabric *ops; };

uint32_t fi_version(void);
const char *fi_strerror(int);
int fi_getinfo(uint32_t, const char *, const char *, uint64_t, const struct fi_info *, struct fi_info **);
void fi_freeinfo(struct fi_info *);
struct fi_info *fi_dupinfo(const struct fi_info *);
int fi_fabric(struct fi_fabric_attr *, struct fid_fabric **, void *);
"""
