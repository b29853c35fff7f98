"""What `eventflux top` shows: rates of servers, made of the stats that they serve."""
