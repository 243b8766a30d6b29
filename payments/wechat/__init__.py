"""WeChat Pay v3: Native, H5, JSAPI, query, close, refund and the encrypted callback."""
