"""微信支付 v3: native, h5 and jsapi, query, close, refund, certificates, and the silent sign-in of an official account."""
